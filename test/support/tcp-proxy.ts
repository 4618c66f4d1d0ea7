import { connect, createServer, type Server, type Socket } from 'node:net'

/** Between a client and a server: to be cut, silenced, and listened to. */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number
  /** How many connections are open. */
  readonly open: number
  /** Ends all connections and refuses others, as a machine does whose server is gone. */
  close(): Promise<void>
  /** Takes connections again on the same port. */
  reopen(): Promise<void>
  /** Takes connections and bytes, and passes nothing on, as a network that is cut; until it is disposed or closed. */
  silence(): Disposable
  /** Ends all connections; others may come. */
  cut(): void
  /** Told of each piece that a client sends before it goes on; `false`: it does not, and the connection ends. */
  onRequest: (bytes: Buffer) => boolean
  /** Told of each piece of an answer before it goes on; `false`: it does not, and the connection ends. */
  onAnswer: (bytes: Buffer) => boolean
}

/** Passes on to `port` of this machine. */
export async function startTcpProxy(port: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  let isSilent = false
  let server: Server
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy())
  }
  const pass = (client: Socket) => {
    keep(client)
    const behind = connect(port, '127.0.0.1')
    keep(behind)
    const end = () => {
      client.destroy()
      behind.destroy()
    }
    // A network that is cut passes no farewell on either.
    client.on('end', () => isSilent || end())
    client.on('close', end).on('data', (bytes: Buffer) => {
      if (isSilent) return
      if (proxy.onRequest(bytes)) behind.write(bytes)
      else end()
    })
    behind.on('close', end).on('data', (bytes: Buffer) => {
      if (isSilent) return
      if (proxy.onAnswer(bytes)) client.write(bytes)
      else end()
    })
  }
  const listen = async (on: number) => {
    server = createServer({ allowHalfOpen: true }, pass)
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(on, '127.0.0.1', resolve))
    return (server.address() as { readonly port: number }).port
  }
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  const close = async () => {
    if (!server.listening) return
    const closed = new Promise((resolve) => server.close(resolve))
    cut()
    isSilent = false
    await closed
  }
  const listening = await listen(0)
  const proxy: TcpProxy = {
    port: listening,
    get open() {
      return sockets.size / 2
    },
    close,
    async reopen() {
      await listen(listening)
    },
    silence() {
      isSilent = true
      return { [Symbol.dispose]: () => void (isSilent = false) }
    },
    cut,
    onRequest: () => true,
    onAnswer: () => true,
    [Symbol.asyncDispose]: close,
  }
  return proxy
}
