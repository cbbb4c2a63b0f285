# fish completion for lifeboat. In ~/.config/fish/config.fish: lifeboat completion fish | source
function __lifeboat_complete
	set -l words (commandline -opc)
	set -l current (commandline -ct)
	for line in ($words[1] __complete $words[2..] "$current" 2>/dev/null)
		switch $line
			case ':files'
				__fish_complete_path (string replace -r -- '^--[^=]*=' '' "$current")
			case ':dirs'
				__fish_complete_directories (string replace -r -- '^--[^=]*=' '' "$current")
			case '*'
				echo $line
		end
	end
end
complete -c lifeboat -f -k -a '(__lifeboat_complete)'
