import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { runVerb } from '../../cli/test-verb.ts'
import { until } from '../support/until.ts'
import { openPeople, password, type People, type Person } from './people.ts'

suite('jobs over the API and the command line', () => {
  let people: People
  let root: Person
  let reader: Person
  let developer: Person
  let working: AsyncDisposable | undefined
  before(async () => {
    people = await openPeople()
    root = people.root
    reader = await people.add('reader')
    developer = await people.add('developer')
    await people.grant(reader, 'system-reader')
    // Starts and stops at once: the schedules are written down, and nothing runs unless a test says so.
    await people.rooms.jobs.start()[Symbol.asyncDispose]()
  })
  after(async () => {
    await working?.[Symbol.asyncDispose]()
    await people[Symbol.asyncDispose]()
  })

  const berth = async (...args: readonly string[]) => {
    const environment = { BERTH_SERVER: people.rooms.url, BERTH_USER: 'root', BERTH_TOKEN: password }
    const { lines, errors } = await runVerb(args, environment)
    return { out: lines.join('\n'), said: errors.join('\n') }
  }

  test('are seen by who may see the system, changed by who may, and unknown to everybody else', async () => {
    const { body } = await root.call('POST', '/schedules/forget-tokens/run')
    const job = `/jobs/${String(body['id'])}`
    for (const [method, path, sent] of [
      ['GET', '/jobs', undefined],
      ['GET', job, undefined],
      ['GET', `${job}/lines`, undefined],
      ['GET', '/schedules', undefined],
      ['GET', '/schedules/forget-tokens', undefined],
      ['POST', `${job}/stop`, undefined],
      ['POST', `${job}/retry`, undefined],
      ['POST', '/schedules/forget-tokens/run', undefined],
      ['PATCH', '/schedules/forget-tokens', { isEnabled: true }],
    ] as const) {
      assert.equal((await reader.call(method, path, sent)).status, method === 'GET' ? 200 : 403, `reader ${method} ${path}`)
      assert.equal((await developer.call(method, path, sent)).status, 403, `developer ${method} ${path}`)
      assert.equal((await people.stranger.call(method, path, sent)).status, 401, `stranger ${method} ${path}`)
    }
  })

  test('a schedule is run, the job is listed by kind and state, stopped, retried, and done', async () => {
    const made = await root.call('POST', '/schedules/forget-tokens/run')
    assert.equal(made.status, 202)
    const id = Number(made.body['id'])
    assert.equal((await root.call('POST', '/schedules/forget-tokens/run')).body['id'], id, 'one at a time')
    const listed = async (query: string) => ((await root.call('GET', `/jobs?${query}`)).body.items ?? []).map((job) => job['id'])
    assert.deepEqual(await listed('kind=forget-tokens&state=waiting'), [id])
    assert.deepEqual(await listed('kind=collect-garbage'), [])
    assert.deepEqual(await listed('state=done'), [])
    const newest = await listed('limit=10')
    assert.equal(newest[0], id, 'the newest first')
    assert.deepEqual(await listed('sort=createdAt&limit=10'), newest.toReversed())
    const stopped = await root.call('POST', `/jobs/${id}/stop`)
    assert.deepEqual([stopped.status, stopped.body['state']], [202, 'stopped'])
    assert.equal((await root.call('POST', `/jobs/${id}/stop`)).status, 409)
    const retried = await root.call('POST', `/jobs/${id}/retry`)
    assert.deepEqual(
      [retried.status, retried.body['state'], retried.body['title']],
      [202, 'waiting', 'Forget tokens that ended a month ago'],
    )
    working ??= people.rooms.jobs.start()
    await until('the job is done', async () => (await root.call('GET', `/jobs/${id}`)).body['state'] === 'done')
    const { body } = await root.call('GET', `/jobs/${id}`)
    assert.deepEqual([body['result'], body['createdBy'], body['attempts']], [{ tokens: 0 }, 'root', 1])
    assert.equal((await root.call('POST', `/jobs/${id}/retry`)).status, 409)
    const events = (await root.call('GET', '/audit?limit=1000')).body.items ?? []
    const seen = events.filter((event) => event['target'] === `job:${id}`).map((event) => String(event['action']))
    assert.deepEqual(new Set(seen), new Set(['job.started', 'job.stopped', 'job.retried']))
  })

  test('a schedule is changed from what was read of it', async () => {
    const { body, etag } = await root.call('GET', '/schedules/prune-events')
    assert.deepEqual([body['cron'], body['isEnabled'], etag], ['every 1h', true, '"1"'])
    const change = { cron: '0 3 * * *', timeZone: 'Europe/Berlin' }
    const changed = await root.call('PATCH', '/schedules/prune-events', change, { 'if-match': '"1"' })
    assert.deepEqual([changed.status, changed.body['cron'], changed.etag], [200, '0 3 * * *', '"2"'])
    assert.match(String(changed.body['nextAt']), /T0[12]:00:00\.000Z$/)
    assert.equal((await root.call('PATCH', '/schedules/prune-events', change, { 'if-match': '"1"' })).status, 412)
    const off = await root.call('PATCH', '/schedules/prune-events', { isEnabled: false })
    assert.deepEqual([off.body['isEnabled'], off.body['nextAt']], [false, null])
  })

  test('what is none is refused in a sentence', async () => {
    for (const [method, path, sent, status] of [
      ['GET', '/jobs/999999', undefined, 404],
      ['GET', '/jobs/999999/lines', undefined, 404],
      ['POST', '/jobs/999999/stop', undefined, 404],
      ['GET', '/jobs/one', undefined, 400],
      ['GET', '/jobs/0', undefined, 400],
      ['GET', '/jobs?state=asleep', undefined, 400],
      ['GET', '/jobs?cursor=nonsense', undefined, 400],
      ['GET', '/jobs/1/lines?limit=100000', undefined, 400],
      ['GET', '/jobs/1/lines?after=-1', undefined, 400],
      ['GET', '/schedules/none', undefined, 404],
      ['POST', '/schedules/none/run', undefined, 404],
      ['PATCH', '/schedules/none', { isEnabled: true }, 404],
      ['PATCH', '/schedules/prune-events', {}, 400],
      ['PATCH', '/schedules/prune-events', { cron: '61 * * * *' }, 400],
      ['PATCH', '/schedules/prune-events', { timeZone: 'Mars/Olympus' }, 400],
      ['PATCH', '/schedules/prune-events', { name: 'other' }, 400],
    ] as const)
      assert.equal((await root.call(method, path, sent)).status, status, `${method} ${path} ${JSON.stringify(sent)}`)
    const { body } = await root.call('PATCH', '/schedules/prune-events', { cron: '61 * * * *' })
    assert.match(String(body['detail']), /"61 \* \* \* \*" is no cron expression: minute, hour/)
  })

  test('are kept from the command line: listed, watched to their end, stopped, retried', async () => {
    working ??= people.rooms.jobs.start()
    assert.match((await berth('schedule', 'list')).out, /^NAME .*\ncollect-garbage +every 10m +UTC +yes /)
    const ran = await berth('schedule', 'run', 'purge-uploads', '--wait')
    assert.match(ran.out, /State: +done/)
    const id = /Id: +(\d+)/.exec(ran.out)?.[1] ?? ''
    assert.match((await berth('job', 'list', '--kind', 'purge-uploads')).out, new RegExp(`\\n${id} +purge-uploads +done`))
    assert.match((await berth('job', 'show', id)).out, /Result: +\{"sessions":0,"orphans":0\}/)
    assert.equal((JSON.parse((await berth('job', 'watch', id, '--json')).out) as { state: string }).state, 'done')
    await assert.rejects(berth('job', 'retry', id), /only one that failed or was stopped.*CONFLICT/)
    await assert.rejects(berth('job', 'stop', id, '--yes'), /has ended.*CONFLICT/)
    await assert.rejects(berth('job', 'show', '999999'), /RESOURCE_UNKNOWN/)
    await assert.rejects(berth('schedule', 'set', 'purge-uploads'), /nothing is to change/)
    await assert.rejects(berth('schedule', 'set', 'purge-uploads', '--on', '--off'), /--on or --off/)
    await assert.rejects(berth('schedule', 'set', 'purge-uploads', '--cron', 'often'), /no cron expression/)
    const set = await berth('schedule', 'set', 'purge-uploads', '--cron', '0 4 * * *', '--time-zone', 'Asia/Tokyo')
    assert.match(set.out, /When: +0 4 \* \* \*\nTime zone: +Asia\/Tokyo/)
    assert.match((await berth('schedule', 'set', 'purge-uploads', '--off')).out, /On: +no/)
  })

  test('a watch follows lines and progress, and fails when the work was not done', async () => {
    working ??= people.rooms.jobs.start()
    const { jobId } = await people.rooms.jobs.enqueue({ kind: 'test-talk', payload: { fails: true }, attemptsMax: 1, createdBy: 'test' })
    const errors: string[] = []
    await assert.rejects(
      berth('job', 'watch', String(jobId)).catch((error: unknown) => {
        errors.push(String(error))
        throw error
      }),
      /job \d+ \(test-talk\) is failed: it was asked to/,
    )
    const lines = (await root.call('GET', `/jobs/${jobId}/lines`)).body.items ?? []
    assert.deepEqual(
      lines.map((line) => [line['level'], line['message']]),
      [
        ['info', 'half way'],
        ['error', 'it was asked to'],
      ],
    )
    const second = (await root.call('GET', `/jobs/${jobId}/lines?after=${String(lines[0]?.['id'])}`)).body.items ?? []
    assert.deepEqual(second, lines.slice(1))
    assert.deepEqual((await root.call('GET', `/jobs/${jobId}`)).body['progress'], { done: 1, total: 2, unit: 'steps' })
  })
})
