// Command shoebox gives every photo of a library a caption and finds photos
// by words.
package main

func main() {}
