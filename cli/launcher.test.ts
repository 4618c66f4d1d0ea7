import assert from 'node:assert/strict'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { launcher, runProcess, startProcess } from './test-process.ts'

const cwd = await mkdtemp(join(tmpdir(), 'berth-launcher-'))
after(() => rm(cwd, { recursive: true, force: true }))

/** Makes Node believe that it is an older one, in this process only. */
const asOldNode = [
  '--import',
  `data:text/javascript,${encodeURIComponent("Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })")}`,
]
/** Without an npm package of Node for this machine. */
const onRareMachine = [
  '--import',
  `data:text/javascript,${encodeURIComponent("Object.defineProperty(process, 'arch', { value: 'rare' })")}`,
]

suite('the launcher', () => {
  test('runs the command line in a new enough Node', async () => {
    const { code, stdout } = await runProcess(['--version'], { cwd })
    assert.equal(code, 0)
    assert.match(stdout, /^berth \d+\.\d+\.\d+\n$/)
  })

  test('works from any directory and through a link of another name', async () => {
    const link = join(cwd, 'registry')
    await symlink(launcher, link)
    assert.match((await runProcess(['-v'], { cwd, script: link })).stdout, /^berth /)
  })

  test('in an older Node runs the one that npm installed, and ends with its status', async () => {
    const { code, stdout } = await runProcess(['version'], { cwd, nodeFlags: asOldNode })
    assert.equal(code, 0)
    assert.match(stdout, /^node (?!20\.)/m)
    assert.equal((await runProcess(['no-such-verb'], { cwd, nodeFlags: asOldNode })).code, 2)
  })

  test('in an older Node without another one says in one sentence what to do', async () => {
    const { code, stdout, stderr } = await runProcess(['version'], { cwd, nodeFlags: [...asOldNode, ...onRareMachine] })
    assert.equal(code, 1)
    assert.equal(stdout, '')
    assert.match(stderr, /^Berth needs Node 24\.18\.0 or newer and this is 20\.20\.2: [^\n]+\.\n$/)
  })

  test('in an older Node passes SIGTERM on, and the registry ends in order', async () => {
    await using berth = startProcess(['serve'], {
      cwd,
      nodeFlags: asOldNode,
      env: { REGISTRY_STORAGE: 'inmemory', REGISTRY_HTTP_ADDR: '127.0.0.1:0' },
    })
    await berth.printed(/is ready/)
    berth.child.kill('SIGTERM')
    assert.equal((await berth.ended).code, 0)
  })

  test('killed in an older Node leaves no registry behind', async () => {
    await using berth = startProcess(['serve'], {
      cwd,
      nodeFlags: asOldNode,
      env: { REGISTRY_STORAGE: 'inmemory', REGISTRY_HTTP_ADDR: '127.0.0.1:0' },
    })
    const [, url = ''] = await berth.printed(/address\s+(http\S+)/)
    await berth.printed(/docker push/)
    berth.child.kill('SIGKILL')
    // The streams are closed when the last process that has them ends: the registry itself.
    await berth.ended
    await assert.rejects(fetch(`${url}v2/`))
  })
})
