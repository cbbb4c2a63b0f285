package upload

// A URL is a bucket URL: where one database's snapshots live.
type URL struct {
	Bucket string // S3 bucket, "" for file URLs
	Prefix string // key prefix without slashes at its ends, "" for file URLs
	Dir    string // absolute, clean directory, "" for S3 URLs
}
