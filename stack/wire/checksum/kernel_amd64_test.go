package checksum

// kernels runs f once for each kernel that this machine has, that kernel being
// the one in force.
func kernels(f func(name string)) {
	have := useVector
	defer func() { useVector = have }()
	useVector = false
	f("plain")
	if have {
		useVector = true
		f("vector")
	}
}
