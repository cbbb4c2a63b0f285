# bash completion for lifeboat. In ~/.bashrc: . <(lifeboat completion bash)
_lifeboat() {
	local words=() rest=${COMP_LINE:0:COMP_POINT} next last i line value
	# Bash has cut the line at every : and =, bucket URLs too: what no space
	# parts belongs together.
	for ((i = 0; i <= COMP_CWORD; i++)); do
		next=${rest#"${rest%%[![:space:]]*}"}
		if ((i == 0)) || [[ $next != "$rest" ]]; then
			words+=("${COMP_WORDS[i]}")
		else
			words[${#words[@]} - 1]+=${COMP_WORDS[i]}
		fi
		rest=${next#"${COMP_WORDS[i]}"}
	done
	last=${COMP_WORDS[COMP_CWORD]}
	[[ $last == [:=] ]] && last=
	local current=${words[${#words[@]} - 1]}
	local before=${current%"$last"}
	COMPREPLY=()
	compopt -o nosort 2>/dev/null
	while IFS= read -r line; do
		case $line in
		:files) compopt -o filenames && while IFS= read -r value; do COMPREPLY+=("$value"); done < <(compgen -f -- "$last") ;;
		:dirs) compopt -o filenames && while IFS= read -r value; do COMPREPLY+=("$value"); done < <(compgen -d -- "$last") ;;
		*)
			value=${line%%$'\t'*}
			[[ $value == */ ]] && compopt -o nospace
			COMPREPLY+=("${value#"$before"}")
			;;
		esac
	done < <("${COMP_WORDS[0]}" __complete "${words[@]:1}" 2>/dev/null)
}
complete -F _lifeboat lifeboat
