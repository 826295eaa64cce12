package wire

// Kinds of options that need naming: the two that have no length, the same in
// IPv4 (RFC 791, section 3.1) and TCP (RFC 9293, section 3.2), and the source
// routes that a host refuses (RFC 7126, sections 4.3 and 4.4).
const (
	OptionEnd      = 0
	OptionNop      = 1
	IPv4OptionLSRR = 131
	IPv4OptionSSRR = 137
)

// optionOverhead is the length of an option without data: its kind and length.
const optionOverhead = 2

// Options are the options of an IPv4 or a TCP header, or what is left of them: a
// kind, a length that counts both, data. At most 40 octets, so that walking them
// is bounded.
type Options []byte

// Next returns the first option of o other than a no-operation, and the rest. ok
// is false at the end, and also at an option whose length is impossible; Valid
// tells them apart.
func (o Options) Next() (kind uint8, data []byte, rest Options, ok bool) {
	for len(o) > 0 && o[0] == OptionNop {
		o = o[1:]
	}
	if len(o) < optionOverhead || o[0] == OptionEnd {
		return 0, nil, nil, false
	}
	n := int(o[1])
	if n < optionOverhead || n > len(o) {
		return 0, nil, nil, false
	}
	return o[0], o[optionOverhead:n], o[n:], true
}

// Valid reports whether the options can be walked to their end.
func (o Options) Valid() bool {
	for len(o) > 0 && o[0] != OptionEnd {
		n := 1
		if o[0] != OptionNop {
			if len(o) < optionOverhead || o[1] < optionOverhead || int(o[1]) > len(o) {
				return false
			}
			n = int(o[1])
		}
		o = o[n:]
	}
	return true
}
