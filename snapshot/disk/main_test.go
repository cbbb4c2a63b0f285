package disk

import (
	"os"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/asroot"
)

func TestMain(m *testing.M) {
	asroot.Become()
	os.Exit(m.Run())
}
