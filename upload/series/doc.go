// Package series has the meaning of the objects in a bucket: the snapshots of one
// database, their names and their order, which is the newest, what their tags
// mean, and how they are encrypted. Snapshots lists them.
//
// # Bucket layout
//
// A snapshot is one object: the archive of package snapshot. A full one is
// <prefix>/<ID>.<class>.db.zst, a differential <prefix>/<ID>.<class>.on-<base ID>.wal.zst;
// with .age behind it is the same as age encrypts it (https://age-encryption.org/v1).
// So a listing shows what stands on what, and how long each is to be kept.
//
// A differential's base is of a longer class and of the same period: the same hour
// for an hourly one, the same day for a daily one, the same week and month for a
// longer one. So it outlives what stands on it, whenever either is released, and a
// chain has at most four objects.
//
// Object tags say the rest: TagRetention and its like. A store without object
// tags, and a directory, keep them as a JSON object of strings in <ID>.tags
// beside the snapshot. Other objects under the prefix are left alone.
package series
