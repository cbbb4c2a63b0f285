// Package upload keeps the snapshots of a database in a bucket: an
// S3-compatible store, a directory or a mount. It knows S3, and of SQLite only
// what package snapshot tells it.
//
// A bucket URL names a series, the snapshots of one database. Open returns its
// Bucket, and Backup takes a snapshot of a live database and stores it there:
//
//	url, err := upload.ParseURL("s3://my-bucket/app") // or file:///mnt/nas/app
//	bucket, err := upload.Open(ctx, url, upload.Options{})
//	done, err := upload.Backup(ctx, bucket, "/var/lib/app/app.db", upload.BackupOptions{})
//
// Snapshots lists a series, and Examine tries out what a store and the
// credentials can do. Where a store is and whose credentials to use comes from
// the AWS default chain: AWS_ENDPOINT_URL_S3, AWS_REGION, the keys in the
// environment, profiles, web identity, instance roles.
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
package upload
