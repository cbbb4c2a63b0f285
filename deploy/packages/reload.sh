#!/bin/sh
# After an installation or an upgrade: systemd, where it runs, reads the units again.
[ ! -d /run/systemd/system ] || systemctl daemon-reload
