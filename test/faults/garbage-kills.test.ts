import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { digestOfBytes, pushImage, registryClient } from '../support/registry-client.ts'
import { runBerth } from '../support/run-berth.ts'
import { run, tryCommand } from '../support/run-command.ts'
import { startBerth } from '../support/start-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { violationsOf } from '../support/violations.ts'

const launcher = fileURLToPath(new URL('../../bin/berth.mjs', import.meta.url))
/** All by which Node.js and SQLite make, remove or write something, or make it durable. */
const makingCalls = ['write', 'pwrite64', 'writev', 'pwritev', 'ftruncate', 'fallocate', 'fsync', 'fdatasync', 'sync_file_range']
const namingCalls = ['unlink', 'unlinkat', 'rmdir', 'rename', 'renameat', 'renameat2', 'link', 'linkat', 'mkdir', 'mkdirat']
const killsOfEach = 4

interface Place {
  readonly dataDir: string
  readonly configFile: string
}

/** The kinds of durable calls on the data that a collection makes which has something to do. */
async function callsOfCollection({ dataDir, configFile }: Place): Promise<string[]> {
  await using directory = await temporaryDirectory('traced')
  const trace = join(directory.path, 'trace')
  const command = [process.execPath, launcher, 'garbage-collect', configFile]
  await run(['strace', '-f', '-y', '-qq', '-o', trace, '-e', `trace=${[...makingCalls, ...namingCalls].join()}`, ...command])
  const lines = (await readFile(trace, 'utf8')).split('\n').filter((line) => line.includes(`${dataDir}/`))
  return Array.from(new Set(lines.map((line) => /^\d+ +(\w+)\(/.exec(line)?.[1] ?? '')))
}

test('a collection killed at any durable call, beside a server, leaves all that is needed, and the next one takes the rest', async (t) => {
  const storage = { garbagedelay: '0s', readersdelay: '0s', trash: { window: '0s' } }
  await using berth = await startBerth({ config: { storage } })
  const client = registryClient(berth.url)
  const image = await pushImage(client, 'kill/kept', 'v1')
  for (let n = 0; n < 3; n++) await client.pushBlob('kill/garbage', randomBytes(500))
  const calls = await callsOfCollection(berth)
  for (const call of ['unlink', 'fsync']) assert.ok(calls.includes(call), `${call} is not among ${calls.join()}`)
  const kills = new Map<string, number>()
  for (const call of calls) {
    for (let n = 1; n <= killsOfEach; n++) {
      const bytes = Array.from({ length: 3 }, () => randomBytes(500))
      for (const each of bytes) await client.pushBlob('kill/garbage', each)
      const command = [process.execPath, launcher, 'garbage-collect', berth.configFile]
      const injection = `inject=${call}:signal=KILL:when=${n}`
      const { status } = await tryCommand(['strace', '-f', '-qq', '-o', '/dev/null', '-e', `trace=${call}`, '-e', injection, ...command])
      assert.deepEqual(await violationsOf(berth), [], `after a kill at ${call} #${n}`)
      for (const { digest } of [image.config, ...image.layers])
        assert.equal(digestOfBytes(await client.pullBlob('kill/kept', digest)), digest)
      // What is pushed again gets a place of its own, whatever the dead collection was at.
      const again = await client.pushBlob('kill/garbage', bytes[0] ?? Buffer.alloc(0))
      if ((await client.send(`/v2/kill/garbage/blobs/${again.digest}`)).status === 200)
        assert.equal(digestOfBytes(await client.pullBlob('kill/garbage', again.digest)), again.digest)
      if (status !== 0) kills.set(call, (kills.get(call) ?? 0) + 1)
    }
  }
  t.diagnostic(`killed: ${Array.from(kills, ([call, times]) => `${call} ${times}`).join(', ')}`)
  assert.deepEqual(Array.from(kills.keys()), calls, 'the command was killed at each kind of call that it makes')
  await runBerth('garbage-collect', berth.configFile)
  assert.match((await runBerth('garbage-collect', berth.configFile)).stdout, /nothing else waits/u)
  assert.deepEqual(await violationsOf(berth), [])
})
