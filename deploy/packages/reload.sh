#!/bin/sh
# After an installation, an upgrade or a removal: systemd, where it runs, reads the
# units again.
[ ! -d /run/systemd/system ] || systemctl daemon-reload
