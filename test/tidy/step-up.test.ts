import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { RouteContract } from '#api/contract.ts'
import { allRouteContracts } from '#api/routes/all.ts'

test('the guide about roles names all requests that ask again who it is, and no others', () => {
  const guide = readFileSync(new URL('../../docs/guides/roles.md', import.meta.url), 'utf8')
  const section = /## What asks again who you are\n([\s\S]*?)\n## /.exec(guide)?.[1] ?? ''
  const table = section.split('\n').filter((line) => line.startsWith('|'))
  const told = table.flatMap((row) => [...row.matchAll(/`([A-Z]+ \/[^`]+)`/g)].map((match) => match[1] ?? ''))
  const asked = allRouteContracts.filter(({ needsElevation }) => needsElevation === true).map(({ method, path }) => `${method} ${path}`)
  assert.ok(asked.length > 10)
  assert.deepEqual(told.toSorted(), asked.toSorted())
})

const asking = ['givingOf', 'requireElevation', 'requireElevationToGive']
const calls = (text: string, names: Iterable<string>) => [...names].some((name) => new RegExp(`\\b${name}\\b\\(`).test(text))

/** Functions of the file that ask for a proof, by themselves or through others of it. */
function askingIn(source: string): ReadonlySet<string> {
  const found = new Set(asking)
  const functions = source.split(/\n(?=(?:export )?(?:async )?function )/).slice(1)
  for (let before = 0; before < found.size;) {
    before = found.size
    for (const text of functions) {
      const [, name = '', body = ''] = /function (\w+)([^]*?\n}\n)/.exec(`${text}\n`) ?? []
      if (!body.includes('serve(') && calls(body, found)) found.add(name)
    }
  }
  return found
}

/** The contracts whose handlers ask, by the sources of http/api: `serve(contract.x, …)`, or `serve(family.x, …)` where families are tables of contracts. */
async function askingContracts(): Promise<ReadonlySet<RouteContract>> {
  const found = new Set<RouteContract>()
  const directory = new URL('../../server/', import.meta.url)
  for (const file of globSync('http/api/*.ts', { cwd: directory }).filter((name) => !name.endsWith('.test.ts'))) {
    const source = readFileSync(new URL(file, directory), 'utf8')
    const module = /import \* as \w+ from '#api\/(routes\/[\w-]+\.ts)'/.exec(source)?.[1]
    if (module === undefined) continue
    const contracts = (await import(new URL(`api/${module}`, directory).href)) as Readonly<Record<string, RouteContract>>
    const names = askingIn(source)
    for (const handler of source.split(/(?=\bserve\()/).slice(1)) {
      const [, holder, name = ''] = /^serve\(\s*(\w+)\.(\w+)/.exec(handler) ?? []
      if (!calls(handler.split('\n  ]\n')[0] ?? '', names)) continue
      const members =
        holder === 'family' ? [...source.matchAll(new RegExp(`\\b${name}: contract\\.(\\w+)`, 'g'))].map(([, each = '']) => each) : [name]
      for (const contract of members.flatMap((each) => contracts[each] ?? [])) found.add(contract)
    }
  }
  return found
}

test('a route that asks for a fresh proof in some cases says in which, and no other does', async () => {
  const asks = await askingContracts()
  assert.ok(asks.size > 15, String(asks.size))
  const named = (routes: Iterable<RouteContract>) => [...routes].map(({ method, path }) => `${method} ${path}`).toSorted()
  assert.deepEqual(named(allRouteContracts.filter(({ elevationWhen }) => elevationWhen !== undefined)), named(asks))
  const permissions = readFileSync(new URL('../../docs/reference/permissions.md', import.meta.url), 'utf8')
  for (const { method, path, elevationWhen = '' } of asks) {
    const row = permissions.split('\n').find((line) => line.startsWith(`| \`${method} ${path}\` |`))
    assert.ok(row?.includes(elevationWhen), `${method} ${path}`)
  }
})
