import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { suite, test } from 'node:test'
import { rewriteArguments } from './rewrite-arguments.ts'
import { runProcess } from './test-process.ts'

const rewritten = (line: string) => rewriteArguments(line.split(' ')).join(' ')

suite('switches of garbage-collect with values, as registry:2 takes them', () => {
  for (const [given, expected] of [
    ['--delete-untagged=true --dry-run=true', '--delete-untagged --dry-run'],
    ['-d=true -m=true -q=true', '--dry-run --delete-untagged --quiet'],
    ['-d=1 -m=T -q=False x.yml', '--dry-run --delete-untagged x.yml'],
    ['--delete-untagged=false -d=false x.yml', 'x.yml'],
    ['-dm=true x.yml', '--dry-run --delete-untagged x.yml'],
    ['-dm=false x.yml', '--dry-run x.yml'],
    ['-d --dry-run=false', ''],
    ['--dry-run=false -d', '--dry-run'],
    ['-dmq x.yml', '--dry-run --delete-untagged --quiet x.yml'],
    ['--wait=true --json', '--wait=true --json'],
    ['-d=maybe --dry-run=', '-d=maybe --dry-run='],
    ['-dx=true', '-dx=true'],
    ['x.yml -- -d=true', 'x.yml -- -d=true'],
    ['--server http://a/?d=true', '--server http://a/?d=true'],
  ] as const) {
    test(`${given} is ${expected === '' ? 'nothing' : expected}`, () =>
      assert.equal(rewritten(`garbage-collect ${given}`), `garbage-collect ${expected}`.trim()))
  }

  test('are those of no other verb', () => assert.equal(rewritten('scrub -d=true'), 'scrub -d=true'))
})

suite('help', () => {
  test('of a verb below a verb is that verb’s', () => {
    assert.equal(rewritten('help quota set'), 'quota set --help')
    assert.equal(rewritten('help job list'), 'job list --help')
    for (const same of ['help', 'help quota', 'help -h quota', 'quota help set']) assert.equal(rewritten(same), same)
  })

  test('of a verb below a verb is printed', async () => {
    const { code, stdout } = await runProcess(['help', 'job', 'list'], { cwd: tmpdir() })
    assert.match(stdout, /^Usage: berth job list /)
    assert.equal(code, 0)
  })
})
