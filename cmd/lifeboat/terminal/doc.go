// Package terminal writes for people at a terminal: names that cannot steer it,
// sizes and times in few words, arguments as a shell takes them, colours, and
// progress bars.
package terminal
