// A server of Node's ws that echoes messages. It prints its port, and ends with its input.
'use strict';
const { WebSocketServer } = require('ws');
const mode = process.argv[2];
const server = new WebSocketServer({
	host: '127.0.0.1', port: 0, maxPayload: 0,
	perMessageDeflate: mode === 'packed' ? { threshold: 1, serverMaxWindowBits: 10 } : false,
	handleProtocols: (offered) => offered.has('echo') ? 'echo' : false,
});
server.on('listening', () => console.log(server.address().port));
server.on('connection', (socket) => {
	socket.on('message', (data, binary) => {
		if (String(data) === 'close') socket.close(4001, 'as asked');
		else socket.send(data, { binary });
	});
});
process.stdin.on('end', () => process.exit(0)).resume();
