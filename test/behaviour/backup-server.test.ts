import assert from 'node:assert/strict'
import { readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite, test } from 'node:test'
import { freePort } from '../support/free-port.ts'
import { basicAuthorization, sendRequest } from '../support/http-client.ts'
import { pushImage, registryClient } from '../support/registry-client.ts'
import { tryCommand } from '../support/run-command.ts'
import { startBerth } from '../support/start-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { until } from '../support/until.ts'

const launcher = fileURLToPath(new URL('../../bin/berth.mjs', import.meta.url))
const printedPassword = /^ +password +(\S+)$/mu

async function startWith(backup: Readonly<Record<string, unknown>> | undefined) {
  const debug = `127.0.0.1:${await freePort()}`
  const berth = await startBerth({
    config: { auth: 'accounts', http: { debug: { addr: debug, prometheus: { enabled: true } } }, ...(backup && { backup }) },
  })
  await until('the password is printed', () => printedPassword.test(berth.logs()))
  const password = printedPassword.exec(berth.logs())?.[1] ?? ''
  const env = {
    PATH: process.env['PATH'] ?? '',
    BERTH_SERVER: berth.url,
    BERTH_USER: 'admin',
    BERTH_TOKEN: password,
    XDG_CONFIG_HOME: berth.dataDir,
  }
  const authorization = basicAuthorization('admin', password)
  return {
    berth,
    client: registryClient(berth.url, { authorization }),
    command: (...args: readonly string[]) => tryCommand([process.execPath, launcher, ...args], { env }),
    figures: async () => (await sendRequest(`http://${debug}/metrics`)).body.toString(),
    get: async (path: string) => {
      const { status, body } = await sendRequest(`${berth.url}/api/v1${path}`, { headers: { authorization } })
      return { status, body: JSON.parse(body.toString()) as { readonly [member: string]: unknown } }
    },
  }
}

function figure(page: string, name: string): number {
  return Number(
    page
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.split(' ')[1],
  )
}

suite('backups of a running server', { concurrency: 2 }, () => {
  test('are made, listed, proved and pruned by its jobs; the API, metrics and the audit log tell of them', async () => {
    await using place = await temporaryDirectory('backups')
    const keyfile = join(place.path, 'key')
    await writeFile(keyfile, `${randomBytes(32).toString('base64')}\n`)
    const store = { filesystem: { rootdirectory: join(place.path, 'at') } }
    const { berth, client, command, figures, get } = await startWith({
      store,
      keyfile,
      includekey: true,
      keep: { last: 1, daily: 0, weekly: 0, monthly: 0 },
    })
    await using _berth = berth
    assert.deepEqual((await get('/backups')).body, { items: [] })
    const before = (await get('/backups/status')).body
    assert.deepEqual([before['last'], before['place']], [null, join(place.path, 'at')])
    assert.match(String(before['nextAt']), /T02:00:00\.000Z$/)
    await pushImage(client, 'library/app', 'v1')
    for (let count = 0; count < 2; count++) {
      const made = await command('backup', 'create', '--wait')
      assert.equal(made.status, 0, made.output)
    }
    const listed = await command('backup', 'list', '--json')
    const { items } = JSON.parse(listed.stdout) as { items: { id: string; blobs: number; missingBlobs: number }[] }
    assert.equal(items.length, 1, 'what is not kept went after the second one')
    assert.deepEqual([items[0]?.blobs, items[0]?.missingBlobs], [2, 0])
    const verified = await command('backup', 'verify', '--wait', '--json')
    assert.equal(verified.status, 0, verified.output)
    assert.equal((await command('backup', 'prune', '--wait', '--yes')).status, 0)
    const status = (await get('/backups/status')).body
    assert.equal((status['last'] as { id: string }).id, items[0]?.id)
    assert.deepEqual([status['failures'], (status['verified'] as { broken: number }).broken], [0, 0])
    const page = await figures()
    assert.ok(Date.now() / 1000 - figure(page, 'registry_backup_last_success_timestamp_seconds') < 120)
    assert.ok(figure(page, 'registry_backup_last_bytes') > 0)
    assert.equal(figure(page, 'registry_backup_failures'), 0)
    const { items: records } = (await get('/audit?limit=200')).body as unknown as { items: { action: string }[] }
    for (const action of ['backup.created', 'backup.verified', 'backup.pruned'])
      assert.ok(
        records.some((record) => record.action === action),
        action,
      )
    const schedules = (await get('/schedules')).body as unknown as { items: { name: string; cron: string }[] }
    assert.equal(schedules.items.find(({ name }) => name === 'create-backup')?.cron, '0 2 * * *')
    assert.ok((await readdir(join(place.path, 'at'))).includes('berth-backup.json'))
  })

  test('that fail are told and counted, and made when what was wrong is right again', async () => {
    await using place = await temporaryDirectory('backups')
    const root = join(place.path, 'at')
    const { berth, command, figures, get } = await startWith({ store: { filesystem: { rootdirectory: root } } })
    await using _berth = berth
    await writeFile(root, 'a file where a directory is needed')
    const started = JSON.parse((await command('backup', 'create', '--json')).stdout) as { job: number }
    await until('the failure is counted', async () => figure(await figures(), 'registry_backup_failures') >= 1)
    const { failure } = (await get('/backups/status')).body as { failure: { error: string } }
    assert.ok(failure.error.length > 0)
    await command('job', 'stop', String(started.job))
    await rm(root)
    await until('it is made', async () => (await command('backup', 'create', '--wait')).status === 0)
    assert.equal((await get('/backups/status')).body['failure'], null)
  })

  test('that are damaged are told of by the exit status of verify where it waits, and by the list afterwards', async () => {
    await using place = await temporaryDirectory('backups')
    const root = join(place.path, 'at')
    const { berth, client, command } = await startWith({ store: { filesystem: { rootdirectory: root } } })
    await using _berth = berth
    await pushImage(client, 'library/app', 'v1')
    assert.equal((await command('backup', 'create', '--wait')).status, 0)
    const blobs = (await readdir(join(root, 'blobs'), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
    const [blob] = blobs
    assert.ok(blob !== undefined)
    await rm(join(blob.parentPath, blob.name))
    const begun = await command('backup', 'verify')
    assert.equal(begun.status, 0)
    assert.match(begun.stdout, /the exit status tells it with --wait alone/)
    const waited = await command('backup', 'verify', '--wait')
    assert.equal(waited.status, 1, waited.output)
    assert.match(waited.stdout, /^Broken: \S+$/m)
    const { items } = JSON.parse((await command('backup', 'list', '--json')).stdout) as { items: { damagedBlobs: number }[] }
    assert.deepEqual(
      items.map(({ damagedBlobs }) => damagedBlobs),
      [1],
    )
  })

  test('are not made where the blobs are, by whatever name', async () => {
    await using place = await temporaryDirectory('backups')
    const link = join(place.path, 'link')
    const { berth, command, get } = await startWith({ store: { filesystem: { rootdirectory: join(link, 'backups') } } })
    await using _berth = berth
    await symlink(berth.dataDir, link)
    const refused = await command('backup', 'create', berth.configFile)
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, /lies in .*, the registry's own data/)
    await command('backup', 'create')
    await until('the job has failed', async () => {
      const { failure } = (await get('/backups/status')).body as { failure: { error: string } | null }
      return failure?.error.includes("the registry's own data") === true
    })
  })

  test('without a place for them are refused in a sentence', async () => {
    const { berth, command } = await startWith(undefined)
    await using _berth = berth
    assert.match((await command('backup', 'create')).stderr, /no place for backups: backup\.store/)
    assert.match((await command('backup', 'status')).stdout, /none: backup\.store names one/)
  })
})
