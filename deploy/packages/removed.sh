#!/bin/sh
# After a removal or an upgrade: systemd, where it runs, reads the units again. A purge, or a
# removal of the rpm, which knows no purge (0), forgets the timers that were enabled: the
# links to units that are gone.
case $1 in
purge | 0)
	for link in /etc/systemd/system/timers.target.wants/lifeboat-*.timer; do
		[ -e "$link" ] || rm -f "$link"
	done
	;;
esac
[ ! -d /run/systemd/system ] || systemctl daemon-reload
