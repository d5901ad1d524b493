module github.com/gatewheel/gatewheel/internal/soak

go 1.26.0

replace github.com/gatewheel/gatewheel => ../..

require (
	github.com/gatewheel/gatewheel v0.0.0
	github.com/gorilla/websocket v1.5.3
	golang.org/x/net v0.62.0
	golang.org/x/sys v0.50.0
	google.golang.org/grpc v1.76.0
)

require (
	golang.org/x/text v0.44.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20250804133106-a7a43d27e69b // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)
