// Package upload keeps the snapshots of a database in a bucket: an
// S3-compatible store, a directory or a mount. It knows S3, and SQLite
// only by package snapshot.
//
// A bucket URL names a series, the snapshots of one database. Open returns its
// Bucket, and Backup takes a snapshot of a live database and stores it there:
//
//	b, err := upload.Open(ctx, "s3://my-bucket/app", upload.Options{}) // or file:///mnt/nas/app
//	done, err := upload.Backup(ctx, b, "/var/lib/app/app.db", upload.BackupOptions{})
//
// Package series lists the snapshots of a bucket, and package doctor tries out
// what a store and the credentials can do. Where a store is and whose credentials
// to use comes from the AWS default chain: AWS_ENDPOINT_URL_S3, AWS_REGION, the
// keys in the environment, profiles, web identity, instance roles.
package upload
