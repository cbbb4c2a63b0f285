#compdef lifeboat
# zsh completion for lifeboat. In ~/.zshrc, after compinit: . <(lifeboat completion zsh)
_lifeboat() {
	local line value
	local -a values shown places
	while IFS= read -r line; do
		case $line in
		:files) compset -P '--*='; _files ;;
		:dirs) compset -P '--*='; _files -/ ;;
		*)
			value=${line%%$'\t'*}
			if [[ $value == */ ]]; then
				places+=("$value")
			else
				values+=("$value")
				shown+=("${value}  ${line#*$'\t'}")
			fi
			;;
		esac
	done < <("${words[1]}" __complete "${(@Q)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)
	(( $#values )) && compadd -V lifeboat -l -d shown -a values
	(( $#places )) && compadd -S '' -a places
}
if [[ $funcstack[1] == _lifeboat ]]; then # loaded from $fpath, for its first use
	_lifeboat "$@"
else
	compdef _lifeboat lifeboat
fi
