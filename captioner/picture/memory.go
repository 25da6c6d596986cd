package picture

// maxPixels is the largest picture that is decoded at all, however little
// memory that takes. The sensors with the most pixels, in telephones, have 200
// million, and jpegn refuses more than 268.
const maxPixels = 250_000_000

// plan is how a file will be decoded, made from its headers alone.
type plan struct {
	memory int64 // bytes that open will take, at the most
	open   func() (source, error)
}

// EstimateMemory returns how many bytes Decode will take for a file, besides
// those of the file itself and including those outside Go's heap, so that a
// worker can wait until they are free, or refuse what takes more than it has:
// Decode has no limit of its own but that of pixels. Only headers are read and
// little memory is taken. A file that Decode would refuse by its headers gives
// the same *Error here.
func EstimateMemory(data []byte, to Size) (bytes int64, err error) {
	defer rescue(&err)
	_, p, err := prepare(data, to)
	return p.memory, err
}

func prepare(data []byte, to Size) (kind, plan, error) {
	k, err := sniff(data)
	if err != nil {
		return kind{}, plan{}, err
	}
	p, err := k.plan(data, to)
	if err != nil {
		return kind{}, plan{}, err
	}
	// The resampler's sums, its result, and that again turned upright.
	p.memory += int64(to.Width) * int64(to.Height) * 3 * (4 + 1 + 1)
	return k, p, nil
}

func checkSize(s Size) error {
	if s.Width < 1 || s.Height < 1 {
		return fail("broken", nil, "the picture claims a size of %s", s)
	}
	if pixels := int64(s.Width) * int64(s.Height); pixels > maxPixels {
		return fail("too-large", nil,
			"a picture of %s is %d megapixels; the limit is %d", s, pixels/1e6, int64(maxPixels/1e6))
	}
	return nil
}
