import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { after, before, suite, test } from 'node:test'
import { freePort } from '../support/free-port.ts'
import { sendRequest } from '../support/http-client.ts'
import { digestOfBytes, registryClient } from '../support/registry-client.ts'
import { run } from '../support/run-command.ts'
import { until } from '../support/until.ts'
import { buildBerthImage, skip } from './berth-image.ts'
import { startEngine, type Engine } from './engine.ts'
import { deployFile } from './example.ts'

let engine: Engine
const cli = (...args: readonly string[]) => engine.docker(args)

/** The image's own entry point, in a container that goes when it ends. */
const once = (...args: readonly string[]) => engine.tryDocker(['run', '--rm', '--network', 'none', ...args])

async function stopped(name: string): Promise<string> {
  const { output } = await cli('logs', name)
  await cli('rm', '-f', '-v', name)
  return output
}

/** `docker run -d -p …`, and waits until it answers. */
async function serve(name: string, args: readonly string[], image: readonly string[] = ['berth']): Promise<string> {
  const port = await freePort('127.0.0.1')
  await cli('run', '-d', '--name', name, '-p', `127.0.0.1:${port}:5000`, ...args, ...image)
  const url = `http://127.0.0.1:${port}`
  try {
    await until('the container answers', async () => (await sendRequest(`${url}/readyz`).catch(() => undefined))?.status === 200, 60_000)
  } catch (error) {
    throw new Error(await stopped(name), { cause: error })
  }
  return url
}

suite('the image', { skip }, () => {
  before(async () => {
    engine = await startEngine()
    await buildBerthImage(engine)
  })

  after(() => engine[Symbol.asyncDispose]())

  test('docker run -p -v …:/var/lib/registry serves, prints the password of admin, keeps what is pushed, and ends with 0 when it is stopped', async () => {
    const data = engine.file('data-of-registry')
    await mkdir(data)
    const url = await serve('first', ['-v', `${data}:/var/lib/registry`])
    assert.equal((await sendRequest(`${url}/v2/`)).status, 401)
    let password: string | undefined
    await until('the password is printed', async () => {
      password = /password {2}(\S+)/.exec((await cli('logs', 'first')).output)?.[1]
      return password !== undefined
    })
    const authorization = `Basic ${Buffer.from(`admin:${password ?? ''}`).toString('base64')}`
    const body = randomBytes(100_000)
    await registryClient(url, { authorization }).pushBlob('library/app', body)
    await cli('stop', '-t', '20', 'first')
    assert.equal((await cli('inspect', '-f', '{{.State.ExitCode}}', 'first')).stdout.trim(), '0')
    await stopped('first')
    const again = await serve('second', ['-v', `${data}:/var/lib/registry`])
    assert.deepEqual(await registryClient(again, { authorization }).pullBlob('library/app', digestOfBytes(body)), body)
    // As scripts do that know registry:2.
    const collected = await cli('exec', 'second', 'bin/registry', 'garbage-collect', '--dry-run', '/etc/docker/registry/config.yml')
    assert.match(collected.stdout, /would/)
    assert.doesNotMatch(await stopped('second'), /password/)
  })

  test('REGISTRY_AUTH=none opens it as the image of registry:2 is', async () => {
    const url = await serve('open', ['-e', 'REGISTRY_AUTH=none'])
    assert.equal((await sendRequest(`${url}/v2/`)).status, 200)
    assert.match(await stopped('open'), /this registry is open/)
  })

  test("the entry point keeps registry:2's rules: a configuration is served, a verb or an option is Berth's, all else is a command", async () => {
    assert.match((await once('berth', '--version')).stdout, /^berth \d/)
    assert.match((await once('berth', 'help')).stdout, /serve/)
    assert.match((await once('berth', 'garbage-collect', '--help')).stdout, /--dry-run/)
    assert.equal(
      (await once('berth', 'cat', '/etc/distribution/config.yml')).stdout,
      await readFile(deployFile('image/config.yml'), 'utf8'),
    )
    assert.match((await once('berth', 'bin/registry', '--version')).stdout, /^berth \d/)
    assert.match((await once('berth', 'missing.yml')).output, /a readable file at \/missing\.yml/)
    assert.equal((await once('berth', 'sh', '-c', 'exit 7')).status, 7)
  })

  test("a file laid over registry:2's place of configuration counts, and one over registry:3's comes first", async () => {
    const file = engine.file('mine.yml')
    await writeFile(file, 'version: 0.1\nstorage: {inmemory: {}}\nhttp: {addr: ":5000", headers: {X-Mine: [yes-it-is]}}\n')
    for (const place of ['/etc/docker/registry/config.yml', '/etc/distribution/config.yml']) {
      const url = await serve('mine', ['-v', `${file}:${place}:ro`])
      assert.equal((await sendRequest(`${url}/v2/`)).headers['x-mine'], 'yes-it-is', place)
      await stopped('mine')
    }
  })

  test('it runs as any user, on a root file system that is read-only, with several workers', async () => {
    const data = engine.file('data-of-user')
    await mkdir(data)
    await run(['chown', '10001:10001', data])
    const hardened = ['--user', '10001:10001', '--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges']
    const url = await serve(
      'hardened',
      [...hardened, '-e', 'REGISTRY_AUTH=none', '-v', `${data}:/var/lib/registry`],
      ['berth', 'serve', '/etc/distribution/config.yml', '--workers', '2'],
    )
    await registryClient(url).pushBlob('library/app', Buffer.from('as a user'))
    await cli('stop', '-t', '20', 'hardened')
    assert.equal((await cli('inspect', '-f', '{{.State.ExitCode}}', 'hardened')).stdout.trim(), '0')
    await stopped('hardened')
  })

  test('it has what Berth runs on and nothing that only developers need, and needs no npm', async () => {
    const { stdout } = await once('berth', 'sh', '-c', 'ls /opt/berth /opt/berth/node_modules; command -v npm; true')
    const names = stdout.split('\n')
    for (const wanted of ['kysely', 'server', 'cli', 'bin']) assert.ok(names.includes(wanted), wanted)
    for (const unwanted of ['typescript', 'oxlint', 'playwright-core', 'test', 'bench']) assert.ok(!names.includes(unwanted), unwanted)
    assert.ok(!stdout.includes('npm'))
    const config = JSON.parse((await cli('inspect', 'berth')).stdout) as readonly [{ readonly Config: Record<string, unknown> }]
    const { Entrypoint, Cmd, Volumes, ExposedPorts } = config[0].Config
    assert.deepEqual(
      { Entrypoint, Cmd, Volumes, ExposedPorts },
      {
        Entrypoint: ['/entrypoint.sh'],
        Cmd: ['/etc/distribution/config.yml'],
        Volumes: { '/var/lib/registry': {} },
        ExposedPorts: { '5000/tcp': {} },
      },
    )
  })
})
