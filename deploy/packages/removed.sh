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
# What backups keep of their snapshots is of no use then. The rpm leaves it, for it may
# come again.
[ "$1" != purge ] || rm -rf /var/cache/lifeboat-backup /var/cache/lifeboat-backup@*
[ ! -d /run/systemd/system ] || systemctl daemon-reload
