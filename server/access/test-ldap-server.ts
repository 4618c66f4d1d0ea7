/** A directory for tests that need no real one: it answers binds and searches as it is told, or not at all. */
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { BerReader, BerWriter } from 'ldapts'

/** An entry by attribute; `dn` apart. */
export interface FakeEntry {
  readonly dn: string
  readonly attributes: Readonly<Record<string, readonly (string | Buffer)[]>>
}

/** What the server does. Each may be changed while it runs. */
export interface FakeDirectory {
  /** 0 for success. The message is what Active Directory writes, for one. */
  bind(dn: string, password: string): { readonly code: number; readonly message?: string } | 'silence' | 'hang-up'
  /** `request` is the whole request as Latin-1, in which the values of its filter can be looked for. */
  search(request: string): readonly FakeEntry[] | { readonly code: number } | 'silence' | 'hang-up'
}

export interface FakeLdapServer extends AsyncDisposable {
  readonly url: string
  readonly directory: FakeDirectory
  /** Connections that were opened so far, and those that are open. */
  readonly counts: { opened: number; open: number; binds: number; searches: number }
  closeConnections(): void
}

/** Listens on a port of 127.0.0.1 that the kernel chooses. */
export async function startFakeLdap(directory: FakeDirectory): Promise<FakeLdapServer> {
  const counts = { opened: 0, open: 0, binds: 0, searches: 0 }
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    counts.opened++
    counts.open++
    sockets.add(socket)
    let received = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      for (let message = takeMessage(received); message !== undefined; message = takeMessage(received)) {
        received = received.subarray(message.length)
        answer(socket, message, { directory, counts })
      }
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      counts.open--
      sockets.delete(socket)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const closeConnections = () => sockets.forEach((socket) => socket.destroy())
  return {
    url: `ldap://127.0.0.1:${(server.address() as AddressInfo).port}`,
    directory,
    counts,
    closeConnections,
    [Symbol.asyncDispose]: async () => {
      closeConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function takeMessage(bytes: Buffer): Buffer | undefined {
  if (bytes.length < 2) return undefined
  const reader = new BerReader(bytes)
  if (reader.readSequence() === null || reader.remain < reader.length) return undefined
  return bytes.subarray(0, reader.offset + reader.length)
}

const bindRequest = 0x60
const searchRequest = 0x63

function answer(socket: Socket, message: Buffer, { directory, counts }: Pick<FakeLdapServer, 'directory' | 'counts'>): void {
  const reader = new BerReader(message)
  reader.readSequence()
  const id = reader.readInt() ?? 0
  const operation = reader.readSequence()
  const send = (outcome: Buffer | 'silence' | 'hang-up') => {
    if (outcome === 'hang-up') socket.destroy()
    else if (outcome !== 'silence') socket.write(outcome)
  }
  if (operation === bindRequest) {
    counts.binds++
    reader.readInt()
    const outcome = directory.bind(reader.readString() ?? '', reader.readString(0x80) ?? '')
    send(typeof outcome === 'string' ? outcome : result(id, 0x61, outcome))
  } else if (operation === searchRequest) {
    counts.searches++
    send(searchAnswer(id, directory.search(message.toString('latin1'))))
  } else socket.end()
}

function searchAnswer(id: number, found: ReturnType<FakeDirectory['search']>): Buffer | 'silence' | 'hang-up' {
  if (typeof found === 'string') return found
  if ('code' in found) return result(id, 0x65, found)
  return Buffer.concat([...found.map((each) => entry(id, each)), result(id, 0x65, { code: 0 })])
}

function result(id: number, operation: number, { code, message = '' }: { readonly code: number; readonly message?: string }): Buffer {
  const writer = new BerWriter()
  writer.startSequence()
  writer.writeInt(id)
  writer.startSequence(operation)
  writer.writeEnumeration(code)
  writer.writeString('')
  writer.writeString(message)
  writer.endSequence()
  writer.endSequence()
  return writer.buffer
}

function entry(id: number, { dn, attributes }: FakeEntry): Buffer {
  const writer = new BerWriter()
  writer.startSequence()
  writer.writeInt(id)
  writer.startSequence(0x64)
  writer.writeString(dn)
  writer.startSequence()
  for (const [name, values] of Object.entries(attributes)) {
    writer.startSequence()
    writer.writeString(name)
    writer.startSequence(0x31)
    for (const value of values) writer.writeBuffer(Buffer.from(value as string), 0x04)
    writer.endSequence()
    writer.endSequence()
  }
  writer.endSequence()
  writer.endSequence()
  writer.endSequence()
  return writer.buffer
}
