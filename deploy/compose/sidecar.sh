#!/bin/sh
# Backs up $DB to $BUCKET_URL, waits for $EVERY, and so on until it is asked to
# stop. What goes wrong is in the log, and tried again the next time.
trap 'kill "$!" 2>/dev/null; wait "$!"; exit 0' TERM INT
while true; do
	lifeboat backup "$DB" "$BUCKET_URL" &
	wait "$!"
	sleep "$EVERY" &
	wait "$!"
done
