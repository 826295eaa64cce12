package sim

import (
	"bytes"
	"strings"
	"testing"
)

// TestOracleSeesWhatIsWrong has each kind of wrong delivery judged.
func TestOracleSeesWhatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		name  string
		wrong func(o *Oracle, data []byte) error
		want  string
	}{
		{"right", func(o *Oracle, data []byte) error { _, err := o.Request(Start, 2, data); return err }, ""},
		{"copied", func(o *Oracle, data []byte) error {
			o.Copied(append(make([]byte, 42), data...))
			_, _ = o.Request(Start, 2, data)
			_, err := o.Request(Start, 2, data)
			return err
		}, ""},
		{"twice", func(o *Oracle, data []byte) error {
			_, _ = o.Request(Start, 2, data)
			_, err := o.Request(Start, 2, data)
			return err
		}, "delivered 2 times"},
		{"elsewhere", func(o *Oracle, data []byte) error { _, err := o.Request(Start, 3, data); return err }, "delivered to host 3"},
		{"a bit", func(o *Oracle, data []byte) error {
			data[30] ^= 1
			_, err := o.Request(Start, 2, data)
			return err
		}, "damaged"},
		{"short", func(o *Oracle, data []byte) error { _, err := o.Request(Start, 2, data[:99]); return err }, "damaged"},
		{"stranger", func(o *Oracle, data []byte) error { _, err := o.Request(Start, 2, make([]byte, 100)); return err }, "nobody sent"},
		{"future", func(o *Oracle, data []byte) error { data[11] = 7; _, err := o.Request(Start, 2, data); return err }, "only 1 were sent"},
		{"unasked reply", func(o *Oracle, data []byte) error { _, err := o.Reply(Start, 1, data); return err }, "answered 0 times"},
		{"reply", func(o *Oracle, data []byte) error { o.Answer(0); _, err := o.Reply(Start, 1, data); return err }, ""},
		{"reply elsewhere", func(o *Oracle, data []byte) error { o.Answer(0); _, err := o.Reply(Start, 2, data); return err }, "delivered to host 2"},
		{"refused", func(o *Oracle, data []byte) error {
			o.sent[0].accepted = false
			_, err := o.Request(Start, 2, data)
			return err
		}, "refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var o Oracle
			data := make([]byte, 100)
			o.Accepted(o.Compose(Start, data, 1, 2))
			err := tt.wrong(&o, bytes.Clone(data))
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("a right delivery was called wrong: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("judged %v, want %q", err, tt.want)
			}
		})
	}
}
