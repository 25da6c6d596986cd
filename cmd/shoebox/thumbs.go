package main

import (
	"log/slog"
	"sync"

	"shoebox/captioner/picture"
	"shoebox/indexer"
	"shoebox/storage"
	"shoebox/thumbs"
)

// keepThumbs has a worker make thumbnails of the samples that it decodes anyway.
// One that cannot be kept is made when somebody wants to see it.
func keepThumbs(w *indexer.Worker, cache *thumbs.Cache) {
	w.Decode = func(data []byte, to picture.Size) (picture.Picture, error) {
		return picture.DecodeBoth(data, to, thumbs.SizeBeside)
	}
	var once sync.Once
	w.Keep = func(id storage.PhotoID, small picture.Rendition) {
		if err := cache.KeepThumb(id, small); err != nil {
			once.Do(func() { slog.Warn("thumbnails are not kept and will be made again", "error", err) })
		}
	}
}
