# Backs up at seven minutes past every hour, for as long as the pod lives. A
# run that fails prints why, and the next hour tries again. SIGTERM goes on to a
# running backup, which takes back what it had uploaded.
every=${EVERY:-3600} after=${AFTER:-420} child=
trap 'trap "" TERM; [ -z "$child" ] || kill "$child"; wait; exit 0' TERM
run() {
  "$@" &
  child=$!
  wait "$child"
}
while :; do
  run sleep $((every - ($(date +%s) - after) % every))
  run lifeboat backup "$DATABASE" "$BUCKET_URL" || echo "lifeboat exited with $?" >&2
done
