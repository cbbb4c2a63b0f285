#!/bin/sh
# Before a removal, which dpkg calls remove and rpm 0, but not before an upgrade: no
# timer starts a program that is not there. What is enabled stays so, on Debian for the
# next installation: see removed.sh.
case $1 in
remove | 0) [ ! -d /run/systemd/system ] || systemctl stop 'lifeboat-*.timer' ;;
esac
