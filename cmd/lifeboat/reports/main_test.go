package reports

import (
	"os"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

func TestMain(m *testing.M) {
	needs.Root()
	os.Exit(m.Run())
}
