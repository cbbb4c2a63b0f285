// Package lifecycle carries out retention by succession: a snapshot is
// uploaded as held, is released into a retention class once a newer snapshot
// has been in the bucket for long enough, and is then taken by the bucket's
// own lifecycle rules. Nothing that runs every day needs the right to delete.
//
// One pure function, Plan, decides for release, prune, and what a listing
// shows. The rest of the package reads what Plan needs and does what it says.
package lifecycle
