package upload

// The tags of a snapshot. They are part of the bucket layout.
const (
	TagRetention = "lifeboat-retention" // Held, Pinned, or a retention class
	TagDigest    = "lifeboat-digest"    // the digest of the database's content
	TagDatabase  = "lifeboat-database"  // the database's name, see EncodeTag
	TagConfirmed = "lifeboat-confirmed" // RFC 3339 time of the last unchanged run
)

// Values of TagRetention that no lifecycle rule may match.
const (
	Held   = "held"
	Pinned = "pinned"
)
