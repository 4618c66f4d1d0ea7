import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { systemPorts } from '#lib/ports.ts'
import { runVerb } from '../../cli/test-verb.ts'
import { serveRooms } from '../support/serve-rooms.ts'
import { pushImage } from '../support/registry-client.ts'
import { openPeople, password, type People, type Person } from './people.ts'

const hourMs = 60 * 60 * 1_000
let ahead = 0
const clock = { now: () => systemPorts.clock.now() + ahead, monotonic: systemPorts.clock.monotonic }

suite('garbage over the API and the command line', () => {
  let people: People
  let root: Person
  let reader: Person
  let developer: Person
  before(async () => {
    people = await openPeople({}, { ports: { ...systemPorts, clock } })
    root = people.root
    reader = await people.add('reader')
    developer = await people.add('developer')
    await people.grant(reader, 'system-reader')
    // Writes the schedules down; here collections run when they are asked for.
    await people.rooms.jobs.start()[Symbol.asyncDispose]()
    await root.call('PATCH', '/schedules/collect-garbage', { isEnabled: false })
  })
  after(() => people[Symbol.asyncDispose]())

  const berth = async (...args: readonly string[]) => {
    const environment = { BERTH_SERVER: people.rooms.url, BERTH_USER: 'root', BERTH_TOKEN: password }
    const { lines, errors } = await runVerb(args, environment)
    return { out: lines.join('\n'), said: errors.join('\n') }
  }

  test('is seen by who may see the system, collected by who may, and unknown to everybody else', async () => {
    assert.equal((await reader.call('GET', '/garbage')).status, 200)
    const refused = await developer.call('GET', '/garbage')
    assert.deepEqual([refused.status, refused.body['facts']], [403, { permission: 'garbage:read' }])
    assert.equal((await people.stranger.call('GET', '/garbage')).status, 401)
    for (const person of [reader, developer]) assert.equal((await person.call('POST', '/garbage/runs', {})).status, 403)
    assert.equal((await people.stranger.call('POST', '/garbage/runs', {})).status, 401)
    for (const body of [{ dryRun: 'yes' }, { now: true }, []]) assert.equal((await root.call('POST', '/garbage/runs', body)).status, 400)
  })

  test('a run is made once, leaves an event, and is done by the worker', async () => {
    const { layers } = await pushImage(root.registry, 'library/app', 'v1')
    await root.registry.pushBlob('library/app', Buffer.from('nobody came'))
    ahead = 25 * hourMs
    const seen = await root.call('GET', '/garbage')
    assert.deepEqual(seen.body['reclaimable'], { now: { blobs: 1, bytes: 11 }, later: { blobs: 1, bytes: 11 } })
    const first = await root.call('POST', '/garbage/runs', {})
    const second = await root.call('POST', '/garbage/runs', {})
    const counting = await root.call('POST', '/garbage/runs', { dryRun: true })
    assert.deepEqual([first.status, second.body['job'], second.body['isNew']], [202, first.body['job'], false])
    assert.notEqual(counting.body['job'], first.body['job'])
    const audit = await root.call('GET', '/audit?action=job.started')
    assert.equal(audit.body.items?.length, 2)
    await using _ = people.rooms.jobs.start()
    const { said } = await berth('job', 'watch', String(first.body['job']))
    assert.match(said, /deleted 0 untagged manifests, took blobs out of repositories 1 time, deleted 1 blob; freed 0 bytes in 0 files/)
    assert.match((await berth('job', 'lines', String(first.body['job']))).out, /Z info +deleted 0 untagged manifests/)
    const after = await root.call('GET', '/garbage')
    assert.deepEqual(after.body['leaving'], { files: 1, bytes: 11 })
    assert.equal((await root.registry.send(`/v2/library/app/blobs/${layers[0]?.digest}`)).status, 200)
  })

  test('the command follows a run, says what it did, what waits and what the trash holds', async () => {
    await using _ = people.rooms.jobs.start()
    ahead += 2 * hourMs
    assert.match(
      (await berth('garbage-collect', '--dry-run', '--wait')).out,
      /would delete 0 manifests and 0 blobs\nwould free 11 B in 1 file/,
    )
    const { out } = await berth('garbage-collect', '--wait')
    assert.match(out, /deleted 0 manifests and 0 blobs\nfreed 11 B in 1 file\nnothing else waits/)
    const { descriptor } = await pushImage(root.registry, 'library/app', 'v1', { files: { is: 'new' } })
    await root.registry.send(`/v2/library/app/manifests/${descriptor.digest}`, { method: 'DELETE' })
    assert.match(
      (await berth('garbage-collect', '--delete-untagged', '--wait')).out,
      /deleted 0 manifests .*\n.*\n(?:.*\n)*the trash holds 1 deletion of up to/,
    )
    assert.match((await berth('garbage-collect')).out, /job \d+ collects: berth job watch \d+/)
    const { freed, lastRun } = (await root.call('GET', '/garbage')).body as Record<string, { job?: number; files?: number; bytes?: number }>
    assert.deepEqual(freed, { files: 1, bytes: 11 })
    assert.ok((lastRun?.job ?? 0) > 0)
  })

  test('a blob that goes now is not told of as waiting, one that waits is', async () => {
    await using _ = people.rooms.jobs.start()
    await root.registry.pushBlob('library/app', Buffer.from('first of two'))
    ahead += 25 * hourMs
    await root.registry.pushBlob('library/app', Buffer.from('second'))
    const { out: counted, said } = await berth('garbage-collect', '--dry-run', '--wait')
    assert.match(
      said,
      /would delete 0 untagged manifests, would take blobs out of repositories 3 times, would delete 1 blob; would free 12 bytes in 1 file/,
    )
    assert.match(
      counted,
      /and 1 blob\b.*\nwould free 12 B in 1 file, those of blobs that would go after storage.readersdelay\n1 blob of 6 B waits for storage.garbagedelay/,
    )
    ahead += 25 * hourMs
    const all = (await berth('garbage-collect', '--dry-run', '--wait')).out
    assert.match(all, /and 2 blobs\b.*\nwould free 18 B in 2 files, those of blobs that would go after storage.readersdelay\n/)
    assert.doesNotMatch(all, /garbagedelay/)
  })

  test('who deletes untagged manifests is told which of them wait, and until when', async () => {
    await using _ = people.rooms.jobs.start()
    await pushImage(root.registry, 'library/moved', 'v1', { files: { is: 'old' } })
    await pushImage(root.registry, 'library/moved', 'v1', { files: { is: 'newer' } })
    const { untagged } = (await root.call('GET', '/garbage')).body as Record<string, { manifests?: number; bytes?: number; until?: string }>
    assert.equal(untagged?.manifests, 1)
    assert.ok((untagged?.bytes ?? 0) > 100)
    const { out } = await berth('garbage-collect', '--delete-untagged', '--wait')
    assert.match(out, new RegExp(`\n1 untagged manifest of up to .* waits until ${untagged?.until}: `))
    assert.doesNotMatch((await berth('garbage-collect', '--wait')).out, /untagged manifest of/)
    ahead += 25 * hourMs
    const later = (await berth('garbage-collect', '--delete-untagged', '--wait')).out
    assert.match(later, /deleted 1 manifest /)
    assert.doesNotMatch(later, /waits until/)
  })

  test('the status says all that the API knows', async () => {
    const { out } = await berth('garbage-collect', 'status')
    for (const fact of [
      'To look at',
      'Goes now',
      'Goes later',
      'Untagged that wait',
      'Kept for pulls',
      'In the trash',
      'Freed so far',
      'Last run',
    ])
      assert.match(out, new RegExp(`^${fact}: `, 'm'))
    const { queue } = JSON.parse((await berth('garbage-collect', 'status', '--json')).out) as { queue?: object }
    assert.deepEqual(Object.keys(queue ?? {}), ['manifests', 'links', 'blobs'])
  })

  test('a project says after how long untagged manifests go', async () => {
    const shown = await root.call('GET', '/projects/library')
    assert.equal(shown.body['untaggedAfterDays'], null)
    for (const untaggedAfterDays of [-1, 1.5, '3', 40_000])
      assert.equal((await root.call('PATCH', '/projects/library', { untaggedAfterDays })).status, 400)
    assert.match((await berth('project', 'update', 'library', '--untagged-after', '30')).out, /Untagged manifests:\s+go after 30 days/)
    assert.equal((await root.call('GET', '/jobs?kind=review-untagged')).body.items?.length, 1)
    assert.match((await berth('project', 'update', 'library', '--untagged-after', '0')).out, /go when storage.garbagedelay is over/)
    assert.match((await berth('project', 'update', 'library', '--untagged-after', 'never')).out, /Untagged manifests:\s+kept/)
    const audit = await root.call('GET', '/audit?action=project.updated')
    assert.deepEqual(
      audit.body.items?.map(({ detail }) => (detail as Record<string, unknown>)['untaggedAfterDays']),
      [null, 0, 30],
    )
  })

  test('a registry without accounts asks nobody to log in, and names the command on its data', async () => {
    await using rooms = await serveRooms()
    const answer = await fetch(`${rooms.url}api/v1/garbage`)
    const problem = (await answer.json()) as { readonly detail?: string; readonly facts?: object }
    assert.deepEqual([answer.status, problem.facts], [401, { reason: 'NO_ACCOUNTS' }])
    for (const verb of [['garbage-collect'], ['user', 'list']])
      await assert.rejects(runVerb(verb, { BERTH_SERVER: rooms.url }), (error: Error) => {
        assert.match(error.message, /this registry has no accounts.*berth garbage-collect <config-or-directory>/)
        assert.doesNotMatch(error.message, /berth login/)
        return true
      })
  })

  test('data and server are not asked at once', async () => {
    await assert.rejects(berth('garbage-collect', 'config.yml', '--wait'), /are about data/)
    await assert.rejects(berth('garbage-collect', '--now', '--server', 'localhost'), /are about data/)
  })
})
