import type { ResponseOf } from '#api/contract.ts'
import type { Permission } from '#api/permissions.ts'
import type { listTokens } from '#api/routes/tokens.ts'
import { Badge, Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { KeyRound, Plus } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { change, pages } from '../../api/client.ts'
import { createToken, listTokens as listRoute, revokeToken } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { LifetimeField, OneOf } from '../../parts/fields.tsx'
import { Dialog, Form, useDraft, WorkButton } from '../../parts/form.tsx'
import { Panel } from '../../parts/layout.tsx'
import { endAfter, type Lifetime } from '../../parts/lifetimes.ts'
import { useList } from '../../parts/list.ts'
import { Listing, More } from '../../parts/listing.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { Row } from '../../parts/rows.tsx'
import { SecretDialog } from '../../parts/secret-once.tsx'

type Token = ResponseOf<typeof listTokens>['items'][number]

/** What acts in one's name: tokens that one made, and clients that signed in. */
export function Tokens() {
  const { t } = useTranslation()
  const who = useWho()
  const [isCreating, creating] = useDisclosure(false)
  const [secret, setSecret] = useState<string>()
  const list = useList(pages(listRoute, { query: { limit: 100, sort: '-createdAt' } }))
  const create = (
    <Button size="compact-sm" leftSection={<Plus size={14} />} onClick={creating.open}>
      {t('tokens.create')}
    </Button>
  )
  return (
    <Panel title={t('tokens.title')} actions={create} isFlush>
      <Listing list={list} empty={<None />}>
        <ul className="rows">
          {list.items.map((token) => (
            <OneToken key={token.id} token={token} />
          ))}
        </ul>
        <More more={list.more} />
      </Listing>
      <Dialog title={t('tokens.create')} opened={isCreating} close={creating.close}>
        <CreateToken close={creating.close} onMade={setSecret} />
      </Dialog>
      <SecretDialog made={secret === undefined ? undefined : { login: who.name, secret }} close={() => setSecret(undefined)} />
    </Panel>
  )
}

function None() {
  const { t } = useTranslation()
  return (
    <Stack align="center" gap={6} p="lg">
      <KeyRound size={24} aria-hidden />
      <Text size="sm" c="dimmed" ta="center">
        {t('tokens.none')}
      </Text>
    </Stack>
  )
}

function OneToken({ token }: { readonly token: Token }) {
  const { t } = useTranslation()
  const name = token.name === '' ? token.client : token.name
  return (
    <Row
      title={
        <Group gap={8}>
          <span className="wrap">{name}</span>
          <Badge>
            {token.kind === 'refresh' ? t('tokens.client') : token.scopes === null ? t('tokens.everything') : t('tokens.scoped')}
          </Badge>
        </Group>
      }
      text={<TokenFacts token={token} />}
    >
      <WorkButton
        size="compact-sm"
        variant="default"
        work={() => change(revokeToken, { params: { token: token.id } }, [listRoute])}
        aria-label={t('tokens.revokeThis', { name })}
      >
        {t('tokens.revoke')}
      </WorkButton>
    </Row>
  )
}

function TokenFacts({ token: { hint, lastUsedAt, expiresAt } }: { readonly token: Token }) {
  const { t } = useTranslation()
  return (
    <>
      <span className="mono">{`${hint}…`}</span> ·{' '}
      {lastUsedAt === null ? (
        t('tokens.unused')
      ) : (
        <>
          {t('tokens.used')} <RelativeTime at={lastUsedAt} />
        </>
      )}
      {expiresAt !== null && (
        <>
          {' '}
          · {t('tokens.until')} <RelativeTime at={expiresAt} />
        </>
      )}
    </>
  )
}

/** Sets of permissions that people mean; a token is never more than its owner. */
const presets = {
  pull: ['repository:list', 'repository:read', 'repository:pull', 'tag:list', 'manifest:list', 'manifest:read'],
  push: [
    'repository:list',
    'repository:read',
    'repository:pull',
    'repository:push',
    'repository:create',
    'tag:list',
    'tag:create',
    'tag:update',
    'manifest:list',
    'manifest:read',
  ],
  all: undefined,
} as const satisfies Readonly<Record<string, readonly Permission[] | undefined>>

function CreateToken({ close, onMade }: { readonly close: () => void; readonly onMade: (secret: string) => void }) {
  const { t } = useTranslation()
  const { draft, text, put } = useDraft({
    name: '',
    preset: 'pull' as keyof typeof presets,
    project: '',
    lifetime: '90' as Lifetime,
  })
  const create = async () => {
    const permissions = presets[draft.preset]
    const project = draft.project.trim()
    const scopes = permissions === undefined ? undefined : [{ permissions: [...permissions], project: project === '' ? null : project }]
    const body = { name: draft.name.trim(), expiresAt: endAfter(draft.lifetime), ...(scopes !== undefined && { scopes }) }
    const made = await change(createToken, { body }, [listRoute])
    close()
    onMade(made.secret)
  }
  return (
    <Form save={create} close={close} submit={t('common.create')}>
      <TextInput
        label={t('common.name')}
        description={t('tokens.nameHint')}
        {...text('name')}
        data-autofocus
        required
        withAsterisk={false}
      />
      <OneOf
        label={t('tokens.may')}
        values={Object.keys(presets) as (keyof typeof presets)[]}
        say={(preset) => t(`tokens.presets.${preset}`)}
        value={draft.preset}
        onChange={(preset) => put({ preset })}
      />
      {draft.preset !== 'all' && <TextInput label={t('tokens.project')} description={t('tokens.projectHint')} {...text('project')} />}
      <LifetimeField value={draft.lifetime} onChange={(lifetime) => put({ lifetime })} />
    </Form>
  )
}
