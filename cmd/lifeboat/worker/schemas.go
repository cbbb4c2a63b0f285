package worker

import (
	"bytes"
	"context"
	"encoding/gob"
	"fmt"

	"github.com/lifeboat-sqlite/lifeboat/restore/diff"
	"github.com/lifeboat-sqlite/lifeboat/restore/untrusted"
)

// taskSchemas sends the schema of each database.
const taskSchemas = "schemas"

func init() { tasks[taskSchemas] = sendSchemas }

func sendSchemas(ctx context.Context, databases []*untrusted.Conn, _ []byte, send func([]byte) error) error {
	for _, d := range databases {
		schema, err := diff.ReadSchema(ctx, d.Conn)
		if err != nil {
			return err
		}
		var message bytes.Buffer // names need not be UTF-8, which JSON is
		if err := gob.NewEncoder(&message).Encode(schema); err != nil {
			return fmt.Errorf("encode a schema: %w", err)
		}
		if err := send(message.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// Schemas has SQLite read the schemas of all databases. Errors are those of Run.
func (i Inside) Schemas(ctx context.Context) (schemas []diff.Schema, err error) {
	err = i.Run(ctx, taskSchemas, nil, func(message []byte) error {
		var schema diff.Schema
		if err := gob.NewDecoder(bytes.NewReader(message)).Decode(&schema); err != nil {
			return fmt.Errorf("decode a schema: %w", err)
		}
		schemas = append(schemas, schema)
		return nil
	})
	if err == nil && len(schemas) != len(i.Sources) {
		err = fmt.Errorf("%d schemas of %d databases", len(schemas), len(i.Sources))
	}
	return schemas, err
}
