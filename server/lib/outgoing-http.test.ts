import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { AddressRefused, createAddressGuard, type ResolvedAddress } from './address-guard.ts'
import { checkedUrl, createOutgoingHttp, OutgoingFailed, OutgoingRefused, type OutgoingHttpOptions } from './outgoing-http.ts'
import { systemPorts } from './ports.ts'

const canary = 'canary-in-a-body'
let port = 0
const requests: { readonly url: string; readonly authorization: string | undefined; readonly body: string }[] = []

const answers: Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void>> = {
  '/loop': (_request, response) => response.writeHead(302, { location: '/loop' }).end(),
  '/endless': (_request, response) => {
    const write = () => response.destroyed || (response.write(Buffer.alloc(65_536)) ? setImmediate(write) : response.once('drain', write))
    response.once('close', () => response.destroy())
    write()
  },
  '/never': () => undefined,
  '/drip': (_request, response) => void response.writeHead(200).write('a'),
  '/header': (_request, response) => response.writeHead(200, { 'x-long': 'x'.repeat(60_000) }).end(),
  '/garbage': (request) => request.socket.end(`${canary} is no HTTP\r\n\r\n`),
  '/empty': (_request, response) => response.writeHead(204).end(),
}

async function respond(request: IncomingMessage, response: ServerResponse) {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const { url = '' } = request
  requests.push({ url, authorization: request.headers.authorization, body: Buffer.concat(chunks).toString() })
  const target = decodeURIComponent(/^\/to\/(.*)$/.exec(url)?.[1] ?? '')
  const answer = answers[url]
  if (target !== '') response.writeHead(302, { location: target }).end(canary)
  else if (answer !== undefined) answer(request, response)
  else response.writeHead(200, { 'content-type': 'application/json', 'set-cookie': ['a=1', 'b=2'] }).end('{"ok":true}')
}

const server = createServer((request, response) => void respond(request, response))
before(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
after(() => {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(resolve))
})

const loopback: ResolvedAddress = { address: '127.0.0.1', family: 4 }
const resolver = (host: string): Promise<readonly ResolvedAddress[]> =>
  host.endsWith('.test') ? Promise.resolve([loopback]) : Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }))

function open(options: Partial<OutgoingHttpOptions> = {}) {
  return createOutgoingHttp({
    guard: createAddressGuard(['loopback'], resolver),
    timers: systemPorts.timers,
    allowHttp: true,
    timeoutMs: 2000,
    ...options,
  })
}

suite('outgoing HTTP', () => {
  test('an answer comes with status, headers and body, and a sent form arrives', async () => {
    await using outgoing = open()
    const answer = await outgoing.fetch(`http://provider.test:${port}/json`, {
      method: 'POST',
      body: new URLSearchParams({ a: 'b c' }),
      headers: { authorization: 'Basic x' },
    })
    assert.equal(answer.status, 200)
    assert.deepEqual(await answer.json(), { ok: true })
    assert.deepEqual(answer.headers.getSetCookie(), ['a=1', 'b=2'])
    assert.deepEqual(requests.at(-1), { url: '/json', authorization: 'Basic x', body: 'a=b+c' })
    assert.equal((await outgoing.fetch(new URL(`http://provider.test:${port}/empty`))).status, 204)
  })

  for (const url of [
    'gopher://provider.test/',
    'file:///etc/passwd',
    'ftp://provider.test/',
    'data:text/plain,x',
    'javascript:alert(1)',
    'http://ok@evil.test/',
    'http://ok:pw@evil.test/',
    'http://2130706433/',
    'http://0177.0.0.1/',
    'http://0x7f.1/',
    'http://127.1/',
    'http://127.0.0.1\r\nHost: evil/',
    'http://provider.test/a\r\nX-Injected: 1',
    'http://provider.test\\@evil.test/',
    'http://pro\tvider.test/',
    ' http://provider.test/',
    'provider.test/path',
    '',
    'https://',
  ]) {
    test(`${JSON.stringify(url)} is refused before anything is connected`, async () => {
      await using outgoing = open()
      const before = requests.length
      await assert.rejects(outgoing.fetch(url), OutgoingRefused)
      assert.equal(requests.length, before)
    })
  }

  test('plain http is refused unless the caller allows it', () => {
    assert.throws(() => checkedUrl('http://provider.test/', {}), OutgoingRefused)
    assert.equal(checkedUrl('https://provider.test/x?y#z', {}).href, 'https://provider.test/x?y')
  })

  for (const host of ['127.0.0.1', '[::1]', 'localhost.test', '0.0.0.0', '[::ffff:127.0.0.1]', '[64:ff9b::7f00:1]', '10.0.0.1']) {
    test(`http://${host}/ is refused where loopback and private networks are not allowed`, async () => {
      await using outgoing = open({ guard: createAddressGuard([], resolver) })
      const before = requests.length
      await assert.rejects(outgoing.fetch(`http://${host}:${port}/`), AddressRefused)
      assert.equal(requests.length, before)
    })
  }

  test('a name that answers differently the second time is connected to what was judged', async () => {
    let asked = 0
    const rebinding = () => Promise.resolve<ResolvedAddress[]>([asked++ === 0 ? { address: '127.0.0.2', family: 4 } : loopback])
    await using outgoing = open({ guard: createAddressGuard(['127.0.0.2'], rebinding), timeoutMs: 1000 })
    const before = requests.length
    // The server listens on 127.0.0.1 only, so reaching it would mean that the second answer counted.
    await assert.rejects(outgoing.fetch(`http://rebind.test:${port}/`), OutgoingFailed)
    assert.equal(requests.length, before)
    await assert.rejects(outgoing.fetch(`http://rebind.test:${port}/`), AddressRefused)
  })

  const redirect = (target: string) => `http://provider.test:${port}/to/${encodeURIComponent(target)}`

  test('a redirect is followed, without credentials to another origin', async () => {
    await using outgoing = open()
    const same = await outgoing.fetch(redirect('/json'), { headers: { authorization: 'Bearer x' } })
    assert.deepEqual([same.status, requests.at(-1)?.authorization], [200, 'Bearer x'])
    const other = await outgoing.fetch(redirect(`http://other.test:${port}/json`), { headers: { authorization: 'Bearer x' } })
    assert.deepEqual([other.status, requests.at(-1)?.authorization], [200, undefined])
  })

  test('a redirect inside, to another scheme or with credentials is refused', async () => {
    await using outgoing = open()
    await assert.rejects(outgoing.fetch(redirect('http://169.254.169.254/latest/meta-data/')), AddressRefused)
    await assert.rejects(outgoing.fetch(redirect('http://[fe80::1]/')), AddressRefused)
    for (const target of ['file:///etc/passwd', 'gopher://x/', 'http://u:p@other.test/', 'http://2130706433/'])
      await assert.rejects(outgoing.fetch(redirect(target)), OutgoingRefused, target)
  })

  test('redirects end after three, are not followed with a body, and not at all when the caller says so', async () => {
    await using outgoing = open()
    await assert.rejects(outgoing.fetch(`http://provider.test:${port}/loop`), /redirects too often/)
    await assert.rejects(outgoing.fetch(redirect('/json'), { method: 'POST', body: 'x' }), /not followed/)
    await assert.rejects(outgoing.fetch(redirect('/json'), { redirect: 'error' }), OutgoingFailed)
    assert.equal((await outgoing.fetch(redirect('/json'), { redirect: 'manual' })).status, 302)
  })

  test('an endless body, a huge header and a dripping or silent server are given up', async () => {
    await using outgoing = open({ timeoutMs: 300, bodyBytesMax: 200_000 })
    await assert.rejects(outgoing.fetch(`http://provider.test:${port}/endless`), /sends more than 200000 bytes/)
    await assert.rejects(outgoing.fetch(`http://provider.test:${port}/header`), OutgoingFailed)
    await assert.rejects(outgoing.fetch(`http://provider.test:${port}/drip`), /did not answer within 300 ms/)
    await assert.rejects(outgoing.fetch(`http://provider.test:${port}/never`), /did not answer within 300 ms/)
  })

  test('the caller may give up', async () => {
    await using outgoing = open()
    await assert.rejects(outgoing.fetch(`http://provider.test:${port}/never`, { signal: AbortSignal.timeout(50) }), {
      name: 'TimeoutError',
    })
  })

  test('no error tells what the other side sent', async () => {
    await using outgoing = open()
    for (const path of ['garbage', `to/${encodeURIComponent(`http://169.254.169.254/${canary}`)}`]) {
      const error = await outgoing.fetch(`http://provider.test:${port}/${path}`).then(
        () => undefined,
        (thrown: Error) => thrown,
      )
      assert.ok(error instanceof Error)
      assert.ok(!error.message.includes(canary), error.message)
    }
  })

  test('a host without an address and a closed port are told by code', async () => {
    await using outgoing = open()
    await assert.rejects(outgoing.fetch('http://nowhere.invalid/'), /nowhere\.invalid cannot be asked \(ENOTFOUND\)/)
    await assert.rejects(outgoing.fetch('http://provider.test:1/'), /ECONNREFUSED/)
  })
})
