package terminal

import "strings"

// cutCommand cuts a line before a command at its end. A hint that begins with a command
// is a sentence about it.
func cutCommand(line string) (sentence, command string, found bool) {
	const start = "hint: "
	rest, isHint := strings.CutPrefix(line, start)
	sentence, command, found = strings.Cut(rest, ": lifeboat ")
	if isHint {
		sentence = start + sentence
	}
	return sentence, command, found
}

// fitCommand returns a line with a command at its end, after ": lifeboat". The command
// has lines of its own.
func fitCommand(sentence, command string, width int) string {
	return fitLine(sentence+":", width) + "\n" + Command("lifeboat "+command, width)
}

// Command returns a command in indented lines of at most width terminal columns, 0: in
// one. It stays one that can be pasted: it goes on after a backslash, and no word of it
// is broken.
func Command(command string, width int) string {
	if width <= 0 || len("  ")+cells(command) <= width {
		return "  " + command
	}
	return fill(words("  "+command), width-len(" \\"), " \\", "    ")
}

// fill returns words in lines of that width. Each line but the last ends with end, and
// each but the first begins with indent. A word that is wider than a line has one of
// its own.
func fill(words []string, width int, end, indent string) string {
	var b strings.Builder
	used := 0
	for i, word := range words {
		switch wide := cells(word); {
		case i == 0:
			used = wide
		case used+1+wide > width:
			b.WriteString(end + "\n" + indent)
			used = len(indent) + wide
		default:
			b.WriteByte(' ')
			used += 1 + wide
		}
		b.WriteString(word)
	}
	return b.String()
}

// words splits a command at the spaces that are not in quotes of Quote's kind.
func words(command string) (all []string) {
	quoted, escaped, begin := false, false, 0
	for i, r := range command {
		switch {
		case escaped:
			escaped = false
		case r == '\'':
			quoted = !quoted
		case r == '\\' && !quoted:
			escaped = true
		case r == ' ' && !quoted && strings.TrimSpace(command[begin:i]) != "":
			all, begin = append(all, command[begin:i]), i+1
		}
	}
	return append(all, command[begin:])
}
