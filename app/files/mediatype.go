package files

import (
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

// mediaTypes are those of extensions, by IANA's registry where it has them: what the
// machine's own tables say differs from one to the next.
var mediaTypes = map[string]string{
	".3g2": "video/3gpp2", ".3gp": "video/3gpp", ".7z": "application/x-7z-compressed",
	".aac": "audio/aac", ".abw": "application/x-abiword", ".apk": "application/vnd.android.package-archive",
	".apng": "image/apng", ".atom": "application/atom+xml", ".avi": "video/x-msvideo", ".avif": "image/avif",
	".bin": "application/octet-stream", ".bmp": "image/bmp", ".br": "application/octet-stream", ".bz2": "application/x-bzip2",
	".c": "text/x-c; charset=utf-8", ".cjs": "text/javascript; charset=utf-8", ".conf": "text/plain; charset=utf-8",
	".css": "text/css; charset=utf-8", ".csv": "text/csv; charset=utf-8",
	".deb": "application/vnd.debian.binary-package", ".dmg": "application/x-apple-diskimage", ".doc": "application/msword",
	".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".eot":  "application/vnd.ms-fontobject", ".epub": "application/epub+zip", ".exe": "application/octet-stream",
	".flac": "audio/flac", ".flv": "video/x-flv",
	".gif": "image/gif", ".glb": "model/gltf-binary", ".gltf": "model/gltf+json", ".go": "text/plain; charset=utf-8",
	".gpx": "application/gpx+xml", ".gz": "application/gzip",
	".h": "text/x-c; charset=utf-8", ".heic": "image/heic", ".heif": "image/heif",
	".htm": "text/html; charset=utf-8", ".html": "text/html; charset=utf-8",
	".ico": "image/vnd.microsoft.icon", ".ics": "text/calendar; charset=utf-8", ".img": "application/octet-stream",
	".iso": "application/octet-stream", ".jar": "application/java-archive", ".jp2": "image/jp2",
	".jpe": "image/jpeg", ".jpeg": "image/jpeg", ".jpg": "image/jpeg", ".js": "text/javascript; charset=utf-8",
	".json": "application/json", ".jsonld": "application/ld+json", ".jxl": "image/jxl",
	".kml": "application/vnd.google-earth.kml+xml", ".kmz": "application/vnd.google-earth.kmz",
	".log":  "text/plain; charset=utf-8",
	".m3u8": "application/vnd.apple.mpegurl", ".m4a": "audio/mp4", ".m4s": "video/iso.segment", ".m4v": "video/mp4",
	".map": "application/json", ".md": "text/markdown; charset=utf-8", ".mid": "audio/midi", ".midi": "audio/midi",
	".mjs": "text/javascript; charset=utf-8", ".mkv": "video/matroska", ".mov": "video/quicktime",
	".mp3": "audio/mpeg", ".mp4": "video/mp4", ".mpd": "application/dash+xml", ".mpeg": "video/mpeg", ".mpg": "video/mpeg",
	".odp": "application/vnd.oasis.opendocument.presentation", ".ods": "application/vnd.oasis.opendocument.spreadsheet",
	".odt": "application/vnd.oasis.opendocument.text", ".oga": "audio/ogg", ".ogg": "audio/ogg", ".ogv": "video/ogg",
	".opus": "audio/ogg", ".otf": "font/otf",
	".parquet": "application/vnd.apache.parquet", ".pbf": "application/x-protobuf", ".pdf": "application/pdf",
	".pem": "application/x-pem-file", ".png": "image/png", ".ppt": "application/vnd.ms-powerpoint",
	".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	".ps":   "application/postscript", ".py": "text/x-python; charset=utf-8",
	".rar": "application/vnd.rar", ".rpm": "application/x-rpm", ".rss": "application/rss+xml", ".rtf": "application/rtf",
	".sh": "application/x-sh", ".sql": "application/sql", ".svg": "image/svg+xml", ".svgz": "image/svg+xml", ".swf": "application/x-shockwave-flash",
	".tar": "application/x-tar", ".tgz": "application/gzip", ".tif": "image/tiff", ".tiff": "image/tiff",
	".toml": "application/toml", ".ts": "video/mp2t", ".ttc": "font/collection", ".ttf": "font/ttf",
	".txt": "text/plain; charset=utf-8", ".usdz": "model/vnd.usdz+zip",
	".vcf": "text/vcard; charset=utf-8", ".vtt": "text/vtt; charset=utf-8",
	".wasm": "application/wasm", ".wav": "audio/wav", ".weba": "audio/webm", ".webm": "video/webm",
	".webmanifest": "application/manifest+json", ".webp": "image/webp", ".woff": "font/woff", ".woff2": "font/woff2",
	".xhtml": "application/xhtml+xml", ".xls": "application/vnd.ms-excel",
	".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".xml":  "text/xml; charset=utf-8", ".xsl": "application/xslt+xml", ".xz": "application/x-xz",
	".yaml": "application/yaml", ".yml": "application/yaml", ".zip": "application/zip", ".zst": "application/zstd",
}

// mediaType returns the media type of an extension, "" if it is not known. Those that
// the table lacks are looked up in the machine's own tables.
func mediaType(extension string) string {
	if kind := mediaTypes[strings.ToLower(extension)]; kind != "" {
		return kind
	}
	return mime.TypeByExtension(extension)
}

// contentType returns the media type of a file by the extension of its name, else by
// its first bytes.
func contentType(file io.ReaderAt, info fs.FileInfo) (string, error) {
	if kind := mediaType(path.Ext(info.Name())); kind != "" {
		return kind, nil
	}
	var start [512]byte
	n, err := file.ReadAt(start[:], 0)
	if err != nil && err != io.EOF {
		return "", err
	}
	return http.DetectContentType(start[:n]), nil
}
