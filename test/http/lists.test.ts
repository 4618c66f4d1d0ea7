import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { pushImage, registryClient, type RegistryClient } from '../support/registry-client.ts'
import { serveRooms, type ServedRooms } from '../support/serve-rooms.ts'

const badNumbers = ['', '-1', 'x', '1e9', '1000000000000000000', '99999999999', '1.0', '0x1']

suite('lists', () => {
  let rooms: ServedRooms
  let client: RegistryClient
  /** In the order of their bytes: capitals before small letters. */
  const names = Array.from({ length: 2500 }, (_, at) => `${at % 2 === 0 ? 'T' : 't'}${String(at).padStart(5, '0')}`).toSorted()
  before(async () => {
    rooms = await serveRooms({ limits: { tagEntries: 1000, catalogEntries: 5 } })
    client = registryClient(rooms.url)
    const image = await pushImage(client, 'a/b', undefined)
    for (let at = 0; at < names.length; at += 50) {
      const query = names.slice(at, at + 50).map((tag) => `tag=${tag}`)
      await client.pushManifest('a/b', `${image.descriptor.digest}?${query.join('&')}`, image.bytes)
    }
    for (const repository of ['a', 'a/c', 'b', 'c', 'd/e']) await pushImage(client, repository, 'v1')
  })
  after(() => rooms[Symbol.asyncDispose]())

  const tagsOf = async (path: string) => {
    const answer = await client.send(path)
    assert.equal(answer.status, 200, path)
    const { name, tags } = JSON.parse(answer.body.toString()) as { name: string; tags: string[] }
    assert.equal(name, 'a/b')
    return { tags, link: answer.headers.link?.toString(), headers: answer.headers }
  }

  test('without n all tags are sent, in order', async () => {
    const { tags, link, headers } = await tagsOf('/v2/a/b/tags/list')
    assert.deepEqual(tags, names)
    assert.equal(link, undefined)
    assert.equal(headers['content-type'], 'application/json; charset=utf-8')
    assert.deepEqual((await tagsOf(`/v2/a/b/tags/list?last=${names[1200]}`)).tags, names.slice(1201))
  })

  test('pages follow their Links to the end and miss nothing', async () => {
    const seen: string[] = []
    let next: string | undefined = '/v2/a/b/tags/list?n=700'
    for (let pages = 0; next !== undefined; pages++) {
      assert.ok(pages < 5)
      const { tags, link } = await tagsOf(next)
      seen.push(...tags)
      next = /^<([^>]+)>; rel="next"$/.exec(link ?? '')?.[1]
    }
    assert.deepEqual(seen, names)
  })

  test('the Link is relative, names the last tag and the page size, and is there only when more follows', async () => {
    assert.equal((await tagsOf('/v2/a/b/tags/list?n=2')).link, `</v2/a/b/tags/list?last=${names[1]}&n=2>; rel="next"`)
    assert.equal((await tagsOf(`/v2/a/b/tags/list?n=2&last=${names.at(-3)}`)).link, undefined)
    assert.deepEqual((await tagsOf(`/v2/a/b/tags/list?n=2&last=zzz`)).tags, [])
  })

  test('n=0 is an empty list without Link, and a large n is cut to the limit', async () => {
    const none = await tagsOf('/v2/a/b/tags/list?n=0')
    assert.deepEqual(none.tags, [])
    assert.equal(none.link, undefined)
    const page = await tagsOf('/v2/a/b/tags/list?n=100000')
    assert.equal(page.tags.length, 1000)
    assert.match(page.link ?? '', /&n=1000>/)
  })

  test('what is no page size is 400 in every list', async () => {
    for (const n of badNumbers)
      for (const path of ['/v2/a/b/tags/list', '/v2/_catalog']) {
        const answer = await client.send(`${path}?n=${n}`)
        assert.equal(answer.status, 400, `${path} ${n}`)
        assert.match(answer.body.toString(), /"code":"PAGINATION_NUMBER_INVALID"/)
      }
  })

  test('the tags of an unknown repository are 404, HEAD is answered like GET', async () => {
    assert.equal((await client.send('/v2/no/such/tags/list')).status, 404)
    assert.equal((await client.send('/v2/no/such/tags/list?n=1')).status, 404)
    const head = await client.send('/v2/a/b/tags/list', { method: 'HEAD' })
    assert.equal(head.status, 200)
    assert.equal(head.body.length, 0)
  })

  test('the catalog lists repositories in order, page by page', async () => {
    const answer = await client.send('/v2/_catalog?n=3')
    assert.deepEqual(JSON.parse(answer.body.toString()), { repositories: ['a', 'a/b', 'a/c'] })
    assert.equal(answer.headers.link, '</v2/_catalog?last=a%2Fc&n=3>; rel="next"')
    const rest = await client.send('/v2/_catalog?last=a%2Fc&n=3')
    assert.deepEqual(JSON.parse(rest.body.toString()), { repositories: ['b', 'c', 'd/e'] })
    assert.equal(rest.headers.link, undefined)
    assert.deepEqual(JSON.parse((await client.send('/v2/_catalog?n=0')).body.toString()), { repositories: [] })
  })

  test('the catalog has a page of its own size without n, and refuses one above the limit', async () => {
    const answer = await client.send('/v2/_catalog')
    assert.equal((JSON.parse(answer.body.toString()) as { repositories: string[] }).repositories.length, 5)
    assert.equal((await client.send('/v2/_catalog?n=6')).status, 400)
  })

  test('an end of a page that no name could be is no trouble', async () => {
    for (const last of [`%27%20OR%201=1`, '%F0%9F%98%80', '..%2F..', '%ff'])
      assert.equal((await client.send(`/v2/a/b/tags/list?last=${last}`)).status, 200, last)
    for (const path of ['/v2/a/b/tags/list', '/v2/_catalog']) assert.equal((await client.send(`${path}?last=%00`)).status, 400)
  })
})
