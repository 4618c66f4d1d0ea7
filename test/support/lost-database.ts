/** A registry on an object store whose database is lost, or looked for in the wrong place. */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { postgresUrlFor, testDialect } from '#metadata/test-postgres.ts'
import { pushImage, registryClient } from './registry-client.ts'
import { runBerth, tryBerth } from './run-berth.ts'
import type { RunningBerth } from './start-berth.ts'

/** Its configuration with an empty database in place of its own; gives the file. */
export async function withEmptyDatabase({ configFile, dataDir }: RunningBerth, name = 'other'): Promise<string> {
  const config = JSON.parse(await readFile(configFile, 'utf8')) as Readonly<Record<string, unknown>>
  const file = join(dataDir, `${name}.db`)
  const database = testDialect === 'postgres' ? { url: await postgresUrlFor(file) } : { file }
  const changed = join(dataDir, `${name}.yml`)
  await writeFile(changed, JSON.stringify({ ...config, database }))
  return changed
}

/** An empty database is not served over its store, and a recovery brings back what was pushed. */
export async function loseAndRecover(berth: RunningBerth): Promise<void> {
  const image = await pushImage(registryClient(berth.url), 'lost/app', 'v1')
  // The journal is written to its end.
  await berth.stop()
  const lost = await withEmptyDatabase(berth)
  for (const verb of [['serve'], ['serve', '--workers', '2']]) {
    const refused = await tryBerth(...verb, lost)
    assert.equal(refused.status, 1, refused.output)
    assert.match(refused.output, /mark of another database.*was the database lost.*berth recover.*berth restore.*berth store accept/u)
  }
  assert.match((await tryBerth('doctor', lost)).output, /PROBLEM +store +.*is the mark of another database.*berth recover/u)
  assert.match((await runBerth('recover', '--yes', lost)).stdout, /recovered \d/u)
  await writeFile(berth.configFile, await readFile(lost))
  await berth.restart()
  const client = registryClient(berth.url)
  assert.equal(await client.digestOf('lost/app', 'v1'), image.descriptor.digest)
  for (const { digest } of image.layers) await client.pullBlob('lost/app', digest)
}
