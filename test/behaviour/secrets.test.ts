import assert from 'node:assert/strict'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { testDialect } from '#metadata/test-postgres.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { pushImage, registryClient } from '../support/registry-client.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'

const canary = 'canary-5fd1c0de'
const wrong = 'canary-but-wrong-77aa'

/** The secret in every form in which something could write it down. */
function formsOf(secret: string): readonly string[] {
  return [
    secret,
    encodeURIComponent(secret),
    Buffer.from(secret).toString('hex'),
    ...['a', 'ab', 'abc'].map((lead) => insideOfBase64(lead, secret)),
  ]
}

/** What of a secret is the same in every base64 that has it behind so many bytes. */
function insideOfBase64(lead: string, secret: string): string {
  return Buffer.from(lead + secret)
    .toString('base64')
    .slice(4, -4)
}

async function assertNowhere(berth: RunningBerth, answers: readonly string[], secret: string): Promise<void> {
  const entries = await readdir(berth.dataDir, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const places = [['the log', berth.logs()], ...answers.map((text, at) => [`answer ${at}`, text])]
  for (const file of files) places.push([file, (await readFile(file)).toString('latin1')])
  for (const [place = '', text = ''] of places) {
    for (const form of formsOf(secret)) assert.ok(!text.includes(form), `${place} tells ${form}`)
  }
}

suite('a password is written down nowhere', { concurrency: 2 }, () => {
  for (const formatter of ['text', 'json', 'logstash']) {
    test(`in logs of format ${formatter}, answers, metrics and files, whether it is right or wrong`, async () => {
      await using berth = await startBerth({ users: { alice: canary }, config: { log: { level: 'debug', formatter } } })
      const client = registryClient(berth.url, { authorization: basicAuthorization('alice', canary) })
      await pushImage(client, 'secret/app', 'v1')
      const answers: string[] = []
      const ask = async (path: string, headers: Record<string, string>, method = 'GET') => {
        const answer = await registryClient(berth.url).send(path, { method, headers })
        answers.push(JSON.stringify(answer.headers) + answer.body.toString())
      }
      for (const secret of [canary, wrong]) {
        const authorization = basicAuthorization('alice', secret)
        await ask('/v2/', { authorization })
        await ask('/v2/no/such/manifests/v1', { authorization })
        await ask('/v2/BAD NAME/manifests/v1'.replaceAll(' ', '%20'), { authorization })
        await ask('/v2/secret/app/blobs/uploads/?digest=bad', { authorization }, 'POST')
        await ask('/v2/', { authorization: `Bearer ${secret}` })
        await ask('/v2/', { authorization: `Basic ${secret}` })
        await ask('/v2/', { authorization: basicAuthorization(`no\nbody`, secret) })
        await ask('/v2/', { 'proxy-authorization': authorization, cookie: `session=${secret}` })
      }
      await ask('/metrics', {})
      await ask('/debug/health', {})
      await ask('/readyz', {})
      await berth.stop()
      for (const secret of [canary, wrong]) await assertNowhere(berth, answers, secret)
      await assertNowhere(berth, answers, '$2y$04$')
    })
  }
})

test('the database of SQLite is readable by its user alone', { skip: testDialect === 'sqlite' ? false : 'about SQLite' }, async () => {
  await using berth = await startBerth()
  for (const name of ['berth.db', 'berth.db-wal', 'berth.db-shm'])
    assert.equal((await stat(join(berth.dataDir, name))).mode & 0o077, 0, name)
})
