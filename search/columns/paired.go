package columns

// Paired has, for each block, the raw files beside which another file of the
// same shot lies: a search shows that one for both. A raw file of which people
// wrote something is not among them, so that it is found by that. It is nil where there are
// no raw files, which takes no time to find out.
func (v *View) Paired() []Bits {
	v.pairing.Do(v.findPairs)
	return v.paired
}

func (v *View) findPairs() {
	shots := make(map[uint64]bool) // of raw files -> another lies beside it
	for _, b := range v.Blocks {
		var raws Bits
		raws.OrAtLeast(b.Flags(), Raw, nil)
		keys := b.Shots()
		raws.Each(func(place int) { shots[keys[place]] = false })
	}
	if len(shots) == 0 {
		return
	}
	for _, b := range v.Blocks {
		flags := b.Flags()
		for place, shot := range b.Shots() {
			if _, raw := shots[shot]; raw && flags[place] != 0 && flags[place]&Raw == 0 {
				shots[shot] = true
			}
		}
	}
	v.paired = make([]Bits, len(v.Blocks))
	for i, b := range v.Blocks {
		var raws Bits
		raws.OrAtLeast(b.Flags(), Raw, nil)
		keys := b.Shots()
		flags := b.Flags()
		raws.Each(func(place int) {
			if shots[keys[place]] && flags[place]&(HasTitle|HasKeywords|HasPeople|Edited) == 0 {
				v.paired[i].Set(place)
			}
		})
	}
}
