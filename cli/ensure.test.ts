import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'

interface EnsureScript {
  isComplete(options: { readonly dev: boolean; readonly root: string }): boolean
  ensure(options: { readonly dev: boolean; readonly root: string }): string
}

const script = (await import(new URL('../scripts/ensure.mjs', import.meta.url).href)) as EnsureScript

type Packages = Readonly<
  Record<string, { readonly version: string; readonly integrity?: string; readonly dev?: boolean; readonly optional?: boolean }>
>

const wanted: Packages = {
  '': { version: '0.1.0' },
  'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
  'node_modules/b': { version: '1.0.0', dev: true },
  'node_modules/c': { version: '1.0.0', optional: true },
}

/** A checkout with this lockfile, and these packages installed. */
async function checkout(installed: Packages | undefined) {
  const root = await mkdtemp(join(tmpdir(), 'berth-ensure-'))
  await writeFile(join(root, 'package-lock.json'), JSON.stringify({ packages: wanted }))
  for (const path of Object.keys(installed ?? {})) {
    await mkdir(join(root, path), { recursive: true })
    await writeFile(join(root, path, 'package.json'), '{}')
  }
  if (installed !== undefined) await writeFile(join(root, 'node_modules/.package-lock.json'), JSON.stringify({ packages: installed }))
  return { root, [Symbol.asyncDispose]: () => rm(root, { recursive: true }) }
}

const only = (...names: readonly string[]) =>
  Object.fromEntries(Object.entries(wanted).filter(([path]) => names.includes(path.slice('node_modules/'.length))))

suite('what the scripts install', () => {
  const cases: readonly [string, Packages | undefined, { start: boolean; test: boolean }][] = [
    ['nothing', undefined, { start: false, test: false }],
    ['all packages', only('a', 'b', 'c'), { start: true, test: true }],
    ['all but an optional one', only('a', 'b'), { start: true, test: true }],
    ['what Berth runs on', only('a', 'c'), { start: true, test: false }],
    ['only development packages', only('b', 'c'), { start: false, test: false }],
    [
      'another version of one',
      { ...only('b', 'c'), 'node_modules/a': { version: '1.0.1', integrity: 'sha512-a' } },
      { start: false, test: false },
    ],
    [
      'another content of one',
      { ...only('b', 'c'), 'node_modules/a': { version: '1.0.0', integrity: 'sha512-x' } },
      { start: false, test: false },
    ],
  ]
  for (const [name, installed, expected] of cases) {
    test(`with ${name} installed, start ${expected.start ? 'needs nothing' : 'installs'} and test ${expected.test ? 'needs nothing' : 'installs'}`, async () => {
      await using place = await checkout(installed)
      assert.equal(script.isComplete({ dev: false, root: place.root }), expected.start)
      assert.equal(script.isComplete({ dev: true, root: place.root }), expected.test)
    })
  }

  test('a package whose directory is gone is missing', async () => {
    await using place = await checkout(only('a', 'b', 'c'))
    await rm(join(place.root, 'node_modules/a'), { recursive: true })
    assert.equal(script.isComplete({ dev: false, root: place.root }), false)
  })

  test('a lockfile of npm that is cut off counts as none', async () => {
    await using place = await checkout(only('a', 'b', 'c'))
    await writeFile(join(place.root, 'node_modules/.package-lock.json'), '{"packages": {')
    assert.equal(script.isComplete({ dev: false, root: place.root }), false)
  })
})
