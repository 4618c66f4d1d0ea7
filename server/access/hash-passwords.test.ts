import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { promisify } from 'node:util'
import { systemPorts } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import { createHashThreads, hashesAtOnce, hashInThread } from './hash-passwords.ts'
import { hashPassword } from './password.ts'

const parameters = { nonce: Buffer.alloc(16), memory: 64, passes: 2, parallelism: 1, tagLength: 32 }

function threadModule(source: string): URL {
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`)
}

/** Of each thread of this process, proc(5): the nice value is the 19th field, the 17th after the name. */
function niceValues(): number[] {
  const stats = readdirSync('/proc/self/task').map((thread) => readFileSync(`/proc/self/task/${thread}/stat`, 'utf8'))
  return stats.map((stat) => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]))
}

suite('hashing', () => {
  test('runs in threads of a low priority, and nothing else does', { skip: process.platform !== 'linux' }, async () => {
    const before = niceValues().filter((nice) => nice === 10).length
    await using threads = createHashThreads()
    await hashInThread({ verb: 'argon2id', message: 'secret', parameters }, threads)
    assert.equal(niceValues().filter((nice) => nice === 10).length, before + 1)
    const many = Array.from({ length: 4 * hashesAtOnce }, () => hashInThread({ verb: 'argon2id', message: 'secret', parameters }, threads))
    await Promise.all(many)
    assert.equal(niceValues().filter((nice) => nice === 10).length, before + hashesAtOnce)
  })

  test('leaves the event loop free', async () => {
    await hashPassword('warm', systemPorts.random)
    let ticks = 0
    const timer = setInterval(() => (ticks += 1), 1)
    await Promise.all([1, 2, 3].map(() => hashPassword('secret', systemPorts.random)))
    clearInterval(timer)
    assert.ok(ticks >= 10, `${ticks} ticks`)
  })

  test('that cannot start a thread says that passwords cannot be checked, and nothing of why', async () => {
    await using threads = createHashThreads(new URL('http://127.0.0.1/no-module-of-a-thread'))
    await assert.rejects(hashInThread({ verb: 'argon2id', message: 'secret', parameters }, threads), (error: unknown) => {
      assert.ok(error instanceof RegistryError && error.code === 'UNAVAILABLE')
      assert.equal(error.message, 'passwords cannot be checked at the moment')
      assert.match(String(error.cause), /a worker thread cannot be started/)
      return true
    })
  })

  test('whose thread ends fails that password alone', async () => {
    const task = { verb: 'argon2id', message: 'secret', parameters } as const
    await using broken = createHashThreads(threadModule('process.exit(1)'))
    await assert.rejects(hashInThread(task, broken), { code: 'UNAVAILABLE' })
    assert.ok((await hashInThread<Uint8Array>(task)).length === 32)
  })

  test('names what it cannot hash', async () => {
    const task = { verb: 'argon2id', message: 'secret', parameters: { ...parameters, memory: 1 } } as const
    await assert.rejects(hashInThread(task), /^Error: a password cannot be hashed: /)
  })

  test('does not keep the process alive', async () => {
    const script = `
      import { hashPassword } from ${JSON.stringify(new URL('password.ts', import.meta.url).href)}
      import { systemPorts } from '#lib/ports.ts'
      console.log((await hashPassword('secret', systemPorts.random)).slice(0, 9))
    `
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], { timeout: 20_000 })
    assert.equal(stdout, '$argon2id\n')
  })
})
