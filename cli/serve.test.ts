import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { runProcess, startProcess } from './test-process.ts'

const cwd = await mkdtemp(join(tmpdir(), 'berth-serve-'))
after(() => rm(cwd, { recursive: true, force: true }))

const anyPort = { REGISTRY_HTTP_ADDR: '127.0.0.1:0' }
const inMemory = { ...anyPort, REGISTRY_STORAGE: 'inmemory' }

const signIn = async (url: string, password: string) =>
  (await fetch(`${url}v2/`, { headers: { authorization: `Basic ${Buffer.from(`admin:${password}`).toString('base64')}` } })).status

suite('berth serve', () => {
  test('without a file prints the address, the data, the administrator once, and the three commands that come next', async () => {
    await using first = startProcess(['serve'], { cwd, env: anyPort })
    const [, url = ''] = await first.printed(/address\s+(http\S+)/)
    const [, password = ''] = await first.printed(/password\s+(\S+)/)
    await first.printed(/docker push/)
    const { port } = new URL(url)
    assert.ok(first.stdout().includes(`data      ${join(cwd, 'data')}`))
    assert.match(
      first.stdout(),
      new RegExp(
        `docker login localhost:${port} -u admin\n.*docker tag busybox localhost:${port}/busybox\n.*docker push localhost:${port}/busybox`,
      ),
    )
    assert.equal(await signIn(url, password), 200)
    assert.equal(await signIn(url, 'wrong'), 401)
    first.child.kill('SIGTERM')
    assert.equal((await first.ended).code, 0)
    assert.ok(existsSync(join(cwd, 'data/berth.db')))

    await using second = startProcess(['serve'], { cwd, env: anyPort })
    const [, again = ''] = await second.printed(/address\s+(http\S+)/)
    await second.printed(/docker push/)
    assert.doesNotMatch(second.stdout(), /password/)
    assert.equal(await signIn(again, password), 200)
    second.child.kill('SIGINT')
    assert.equal((await second.ended).code, 0)
  })

  test('with a file is as open as the file says, and warns', async () => {
    await writeFile(join(cwd, 'open.yml'), 'version: 0.1\nstorage: inmemory\nhttp: {addr: "127.0.0.1:0"}\n')
    await using berth = startProcess(['open.yml'], { cwd })
    const [, url = ''] = await berth.printed(/address\s+(http\S+)/)
    await berth.printed(/docker push/)
    assert.match(berth.stdout(), /level=warning.*this registry is open/)
    assert.doesNotMatch(berth.stdout(), /password|docker login/)
    assert.equal((await fetch(`${url}v2/`)).status, 200)
  })

  test('with JSON lines keeps the greeting away from them', async () => {
    await using berth = startProcess(['serve'], { cwd, env: { ...inMemory, REGISTRY_LOG_FORMATTER: 'json', REGISTRY_AUTH: 'none' } })
    await berth.printed(/docker push/)
    assert.match(berth.stderr(), /is ready/)
    const lines = berth
      .stdout()
      .split('\n')
      .filter((line) => line !== '')
    assert.ok(lines.length > 0)
    for (const line of lines) assert.equal(typeof JSON.parse(line), 'object', line)
  })

  test('prints every problem of its configuration, without a stack, and ends with 1', async () => {
    await writeFile(
      join(cwd, 'bad.yml'),
      'version: 0.1\nstorage: {s3: {secretkey: hunter2}}\nhttp: {addr: 5000, draintimeout: soon}\nauth: {token: {realm: x}}\n',
    )
    const { code, stdout, stderr } = await runProcess(['serve', 'bad.yml'], { cwd })
    assert.equal(code, 1)
    assert.equal(stdout, '')
    assert.match(
      stderr,
      /^berth: the configuration has \d+ problems:\n {2}http\.draintimeout: .*\n {2}auth\.token\.realm: .*\n {2}database: .*\n {2}storage\.s3\.bucket: /,
    )
    assert.doesNotMatch(stderr, /\n\s+at |hunter2/)
  })

  test('names the file that it cannot read', async () => {
    const { code, stderr } = await runProcess(['serve', 'missing.yml'], { cwd })
    assert.equal(code, 1)
    assert.match(stderr, /a readable file at .*missing\.yml, found ENOENT\n$/)
  })

  test('says in one sentence that its port is in use', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const { code, stderr } = await runProcess(['serve'], {
      cwd,
      env: { ...inMemory, REGISTRY_HTTP_ADDR: `127.0.0.1:${port}`, REGISTRY_AUTH: 'none' },
    })
    other.close()
    assert.equal(code, 1)
    assert.match(stderr, new RegExp(`^berth: port ${port} of 127\\.0\\.0\\.1 is in use: [^\n]+\n$`))
  })

  test('takes a signal that comes twice at once as one', async () => {
    await using berth = startProcess(['serve'], { cwd, env: inMemory })
    await berth.printed(/docker push/)
    berth.child.kill('SIGINT')
    berth.child.kill('SIGINT')
    assert.equal((await berth.ended).code, 0)
  })

  test('waits for a request in flight, and is ended by a second signal later', async () => {
    await using berth = startProcess(['serve'], { cwd, env: { ...inMemory, REGISTRY_AUTH: 'none' } })
    const [, url = ''] = await berth.printed(/address\s+(http\S+)/)
    await berth.printed(/docker push/)
    const { hostname, port } = new URL(url)
    const start = await fetch(`${url}v2/a/blobs/uploads/`, { method: 'POST' })
    const upload = new URL(start.headers.get('location') ?? '', url)
    const socket = connect(Number(port), hostname)
    socket.on('error', () => undefined)
    socket.write(
      `PATCH ${upload.pathname}${upload.search} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nContent-Type: application/octet-stream\r\n\r\nbegin`,
    )
    await sleep(100)
    berth.child.kill('SIGTERM')
    await sleep(1200)
    assert.equal(berth.child.exitCode, null)
    berth.child.kill('SIGTERM')
    assert.equal((await berth.ended).code, 143)
    socket.destroy()
  })
})
