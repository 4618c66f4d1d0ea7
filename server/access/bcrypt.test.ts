import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { openBcrypt } from './bcrypt.ts'
import { unmatchableHash } from './htpasswd.ts'

/** `htpasswd -nbBC 4 alice secret`, with each prefix that programs write. */
const hash = (prefix: string) => `${prefix}$04$zU1ZAaJB.lNWEN6dJ6pSHOGTjKqpmcXtPjQcBy4r1vNfrv8LMOBFW`

for (const [name, bcrypt] of [
  ['the best bcrypt', openBcrypt()],
  ['bcrypt in JavaScript', openBcrypt('javascript')],
] as const) {
  suite(name, () => {
    for (const prefix of ['$2a', '$2b', '$2y']) {
      test(`verifies what it hashed, with the prefix ${prefix}`, async () => {
        const own = prefix + (await bcrypt.hash('secret', 4)).slice(3)
        assert.equal(await bcrypt.verify('secret', own), true)
        assert.equal(await bcrypt.verify('Secret', own), false)
        assert.equal(await bcrypt.verify('secret', hash(prefix)), false)
      })
    }

    test('answers false for the hash that stands in for a missing name', async () => {
      assert.equal(await bcrypt.verify('', unmatchableHash(new Map())), false)
      assert.equal(await bcrypt.verify('secret', unmatchableHash(new Map())), false)
    })

    test('counts the first 72 bytes of a password', async () => {
      const stored = await bcrypt.hash('x'.repeat(72), 4)
      assert.equal(await bcrypt.verify('x'.repeat(80), stored), true)
      assert.equal(await bcrypt.verify('x'.repeat(71), stored), false)
    })

    test('leaves the event loop free', async () => {
      await bcrypt.hash('warm', 4)
      let ticks = 0
      const timer = setInterval(() => (ticks += 1), 1)
      await bcrypt.verify('secret', (await bcrypt.hash('secret', 9)).replace(/^\$2.\$/, '$2b$'))
      clearInterval(timer)
      assert.ok(ticks >= 5, `${ticks} ticks`)
    })
  })
}

test('both write hashes that the other accepts', async () => {
  const [best, script] = [openBcrypt(), openBcrypt('javascript')]
  assert.equal(await script.verify('pässword', await best.hash('pässword', 4)), true)
  assert.equal(await best.verify('pässword', await script.hash('pässword', 4)), true)
})
