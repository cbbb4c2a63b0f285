// Package series has the meaning of the objects in a bucket: the snapshots of one
// database, their names and their order, which is the newest, what their tags
// mean, and how they are encrypted. Snapshots lists them.
//
// # Bucket layout
//
// A snapshot is one object, <prefix>/<ID>.db.zst: the archive of package
// snapshot. Encrypted it is <prefix>/<ID>.db.zst.age, the same as age encrypts
// it (https://age-encryption.org/v1). No snapshot needs another object.
//
// Object tags say the rest: TagRetention and its like. A store without object
// tags, and a directory, keep them as a JSON object of strings in <ID>.tags
// beside the snapshot. Other objects under the prefix are left alone.
package series
