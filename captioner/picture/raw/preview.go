package raw

// preview is a JPEG file that can be shown.
type preview struct {
	data          []byte
	width, height int
}

func (p preview) side() int { return max(p.width, p.height) }

// maxSegments bounds the segments before a picture: real files have some tens.
const maxSegments = 2000

// parsePreview reads the header of a JPEG file up to its size. The sensor's
// data of some cameras is JPEG as well, of the lossless kind or with other
// numbers of samples: that is no picture to show.
func parsePreview(data []byte) (preview, bool) {
	if len(data) < 4 || data[0] != 0xFF || data[1] != 0xD8 {
		return preview{}, false
	}
	pos := 2
	for range maxSegments {
		if pos+4 > len(data) {
			break
		}
		if data[pos] != 0xFF {
			return preview{}, false
		}
		marker := data[pos+1]
		if marker == 0xFF { // filling
			pos++
			continue
		}
		length := int(data[pos+2])<<8 | int(data[pos+3])
		segment := data[pos+4:]
		switch {
		case marker >= 0xC0 && marker <= 0xC2: // baseline, extended, progressive
			if len(segment) < 6 || segment[0] != 8 || segment[5] != 1 && segment[5] != 3 {
				return preview{}, false
			}
			height, width := int(segment[1])<<8|int(segment[2]), int(segment[3])<<8|int(segment[4])
			return preview{data, width, height}, width > 0 && height > 0
		case marker < 0xC4, marker == 0xDA, marker == 0xD9, length < 2:
			return preview{}, false
		case marker > 0xC4 && marker < 0xD0 && marker != 0xC8 && marker != 0xCC:
			return preview{}, false // lossless, arithmetic, hierarchical
		}
		pos += 2 + length
	}
	return preview{}, false
}
