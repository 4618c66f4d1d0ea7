import type { ResponseOf } from '#api/contract.ts'
import type { Permission } from '#api/permissions.ts'
import type { listTokens } from '#api/routes/tokens.ts'
import { Badge, Button, Group, Modal, Select, Stack, Text, TextInput } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { KeyRound, Plus } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { change, pages } from '../../api/client.ts'
import { createToken, listTokens as listRoute, revokeToken } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { Panel, Waiting } from '../../parts/layout.tsx'
import { endAfter, lifetimes, type Lifetime } from '../../parts/lifetimes.ts'
import { useList } from '../../parts/list.ts'
import { Problem } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { SecretOnce } from '../../parts/secret-once.tsx'
import { useTry } from '../../parts/use-try.ts'

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
      {list.error !== null && <Problem error={list.error} retry={list.refetch} />}
      {list.error === null && list.isLoading && <Waiting rows={2} />}
      {!list.isLoading && list.items.length === 0 && (
        <Stack align="center" gap={6} p="lg">
          <KeyRound size={24} aria-hidden />
          <Text size="sm" c="dimmed" ta="center">
            {t('tokens.none')}
          </Text>
        </Stack>
      )}
      <ul className="rows">
        {list.items.map((token) => (
          <Row key={token.id} token={token} />
        ))}
      </ul>
      {list.more.has && (
        <Group justify="center" p="sm">
          <Button size="compact-sm" variant="default" onClick={list.more.load} loading={list.more.isLoading}>
            {t('common.more')}
          </Button>
        </Group>
      )}
      <Modal opened={isCreating} onClose={creating.close} title={t('tokens.create')} closeButtonProps={{ 'aria-label': t('common.close') }}>
        <CreateToken close={creating.close} onMade={setSecret} />
      </Modal>
      <Modal
        opened={secret !== undefined}
        onClose={() => setSecret(undefined)}
        title={t('secret.title')}
        closeOnClickOutside={false}
        closeButtonProps={{ 'aria-label': t('common.close') }}
      >
        {secret !== undefined && <SecretOnce login={who.name} secret={secret} close={() => setSecret(undefined)} />}
      </Modal>
    </Panel>
  )
}

function Row({ token }: { readonly token: Token }) {
  const { t } = useTranslation()
  const { error, isBusy, attempt } = useTry()
  const revoke = () => attempt(() => change(revokeToken, { params: { token: token.id } }, [listRoute]))
  return (
    <li>
      <div style={{ minWidth: 0 }}>
        <Group gap={8}>
          <Text fw={500} className="wrap">
            {token.name === '' ? token.client : token.name}
          </Text>
          <Badge>
            {token.kind === 'refresh' ? t('tokens.client') : token.scopes === null ? t('tokens.everything') : t('tokens.scoped')}
          </Badge>
        </Group>
        <Text size="sm" c="dimmed" component="div">
          <span className="mono">{`${token.hint}…`}</span> ·{' '}
          {token.lastUsedAt === null ? (
            t('tokens.unused')
          ) : (
            <>
              {t('tokens.used')} <RelativeTime at={token.lastUsedAt} />
            </>
          )}
          {token.expiresAt !== null && (
            <>
              {' '}
              · {t('tokens.until')} <RelativeTime at={token.expiresAt} />
            </>
          )}
        </Text>
        {error !== undefined && <Problem error={error} />}
      </div>
      <Button
        size="compact-sm"
        variant="default"
        onClick={revoke}
        loading={isBusy}
        aria-label={t('tokens.revokeThis', { name: token.name === '' ? token.client : token.name })}
      >
        {t('tokens.revoke')}
      </Button>
    </li>
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
  const [name, setName] = useState('')
  const [preset, setPreset] = useState<keyof typeof presets>('pull')
  const [project, setProject] = useState('')
  const [lifetime, setLifetime] = useState<Lifetime>('90')
  const { error, isBusy, attempt } = useTry()
  const create = async () => {
    const permissions = presets[preset]
    const where = project.trim() === '' ? null : project.trim()
    const scopes = permissions === undefined ? undefined : [{ permissions: [...permissions], project: where }]
    const made = await change(
      createToken,
      { body: { name: name.trim(), expiresAt: endAfter(lifetime), ...(scopes !== undefined && { scopes }) } },
      [listRoute],
    )
    close()
    onMade(made.secret)
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        attempt(create)
      }}
    >
      <Stack>
        <TextInput
          label={t('common.name')}
          description={t('tokens.nameHint')}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          data-autofocus
          required
          withAsterisk={false}
        />
        <Select
          label={t('tokens.may')}
          data={(Object.keys(presets) as (keyof typeof presets)[]).map((value) => ({ value, label: t(`tokens.presets.${value}`) }))}
          value={preset}
          onChange={(value) => value !== null && setPreset(value as keyof typeof presets)}
        />
        {preset !== 'all' && (
          <TextInput
            label={t('tokens.project')}
            description={t('tokens.projectHint')}
            value={project}
            onChange={(event) => setProject(event.currentTarget.value)}
          />
        )}
        <Select
          label={t('lifetime.label')}
          data={lifetimes.map((value) => ({ value, label: t(`lifetime.${value}`) }))}
          value={lifetime}
          onChange={(value) => value !== null && setLifetime(value as Lifetime)}
        />
        {error !== undefined && <Problem error={error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            {t('common.cancel')}
          </Button>
          <Button type="submit" loading={isBusy}>
            {t('common.create')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
