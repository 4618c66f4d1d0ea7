/** Makes or changes an identity provider, and tries its settings out before they are saved. */
import type { BodyOf } from '#api/contract.ts'
import type { createProvider as CreateProvider, updateProvider as UpdateProvider } from '#api/routes/providers.ts'
import { Button, Select, SimpleGrid, Stack, Switch, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { change } from '../../api/client.ts'
import { createProvider, listProviders, testSettings, updateProvider } from '../../api/manage-routes.ts'
import { readSystem } from '../../api/routes.ts'
import { prefix } from '../../app/place.ts'
import { Command } from '../../parts/copy.tsx'
import { Form } from '../../parts/form.tsx'
import { tell } from '../../parts/problem.tsx'
import { useWords } from '../../parts/use-words.ts'
import { activeDirectory, fieldGroups, formKinds, settingsFrom, typedFrom, type FormKind, type Typed } from './provider-fields.ts'
import { FieldGroups } from './provider-inputs.tsx'
import { ProviderTest } from './provider-test.tsx'
import type { Provider } from './providers-page.tsx'

type NewSettings = BodyOf<typeof CreateProvider>['settings']
type ChangedSettings = NonNullable<BodyOf<typeof UpdateProvider>['settings']>

interface FormProps {
  /** Undefined: a new one. */
  readonly provider: Provider | undefined
  readonly close: () => void
}

export function ProviderForm({ provider, close }: FormProps) {
  const { t } = useWords()
  const [kind, setKind] = useState<FormKind>(provider === undefined || provider.kind === 'local' ? 'oidc' : provider.kind)
  const [name, setName] = useState(provider?.name ?? '')
  const [title, setTitle] = useState(provider?.title ?? '')
  const [isEnabled, setEnabled] = useState(provider?.isEnabled ?? true)
  const before = typedFrom(kind, provider?.settings as Readonly<Record<string, unknown>> | undefined)
  const [typed, setTyped] = useState<Typed>(before)
  const [forgotten, setForgotten] = useState<ReadonlySet<string>>(new Set())
  const settings = settingsFrom(kind, typed, before, forgotten)
  const save = async () => {
    const touched = [listProviders, readSystem]
    const named = title.trim() === '' ? {} : { title: title.trim() }
    if (provider === undefined) {
      await change(createProvider, { body: { name: name.trim(), kind, isEnabled, settings: settings as NewSettings, ...named } }, touched)
    } else {
      const changed = Object.keys(settings).length === 0 ? {} : { settings: settings as ChangedSettings }
      const body = { ...named, isEnabled, ...changed }
      await change(updateProvider, { params: { provider: provider.name }, body, ifMatch: provider.version }, touched)
    }
    tell(t('common.saved'))
    close()
  }
  const choose = (next: FormKind) => {
    setKind(next)
    setTyped(typedFrom(next))
  }
  return (
    <Stack>
      <Form save={save} close={close} submit={provider === undefined ? t('common.create') : t('common.save')}>
        {provider === undefined && <Kind kind={kind} choose={choose} />}
        <Naming isNew={provider === undefined} name={name} setName={setName} title={title} setTitle={setTitle} />
        {kind === 'oidc' && <RedirectAddress name={name} />}
        {kind === 'ldap' && provider === undefined && (
          <Button
            variant="default"
            size="compact-sm"
            onClick={() => setTyped({ ...typed, ...activeDirectory })}
            style={{ alignSelf: 'flex-start' }}
          >
            {t('manage:providers.activeDirectory')}
          </Button>
        )}
        <FieldGroups
          groups={fieldGroups[kind]}
          typed={typed}
          put={(key, value) => setTyped((all) => ({ ...all, [key]: value }))}
          secrets={{ held: heldSecrets(provider), forgotten, setForgotten }}
        />
        <Switch label={t('manage:providers.enabled')} checked={isEnabled} onChange={(event) => setEnabled(event.currentTarget.checked)} />
      </Form>
      <ProviderTest
        kind={kind}
        test={async (person) =>
          await change(testSettings, {
            body: { kind, settings: settings as NewSettings, ...(provider !== undefined && { provider: provider.name }), ...person },
          })
        }
      />
    </Stack>
  )
}

/** Which secrets the server has, by the name of the setting. */
function heldSecrets(provider: Provider | undefined): ReadonlySet<string> {
  const settings = (provider?.settings ?? {}) as Readonly<Record<string, unknown>>
  return new Set([
    ...(settings['hasBindPassword'] === true ? ['bindPassword'] : []),
    ...(settings['hasClientSecret'] === true ? ['clientSecret'] : []),
  ])
}

interface NamingProps {
  readonly isNew: boolean
  readonly name: string
  readonly setName: (name: string) => void
  readonly title: string
  readonly setTitle: (title: string) => void
}

function Naming({ isNew, name, setName, title, setTitle }: NamingProps) {
  const { t } = useWords()
  return (
    <SimpleGrid cols={{ base: 1, xs: isNew ? 2 : 1 }}>
      {isNew && (
        <TextInput
          label={t('common.name')}
          description={t('manage:common.nameHint')}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          required
          withAsterisk={false}
          autoComplete="off"
        />
      )}
      <TextInput
        label={t('manage:common.title')}
        description={t('manage:providers.titleHint')}
        value={title}
        onChange={(event) => setTitle(event.currentTarget.value)}
        autoComplete="off"
      />
    </SimpleGrid>
  )
}

function Kind({ kind, choose }: { readonly kind: FormKind; readonly choose: (kind: FormKind) => void }) {
  const { t } = useWords()
  return (
    <Select
      label={t('manage:providers.kind')}
      description={t(`manage:providers.kindTexts.${kind}`)}
      data={formKinds.map((value) => ({ value, label: t(`manage:providers.kinds.${value}`) }))}
      value={kind}
      onChange={(value) => value !== null && choose(value as FormKind)}
      data-autofocus
    />
  )
}

/** What the issuer must be told. */
function RedirectAddress({ name }: { readonly name: string }) {
  const { t } = useWords()
  const address = `${location.origin}${prefix}api/v1/session/oidc/${encodeURIComponent(name.trim() === '' ? 'NAME' : name.trim())}/callback`
  return (
    <div>
      <Text size="sm" fw={500} mb={4}>
        {t('manage:providers.redirect')}
      </Text>
      <Command text={address} label={t('manage:providers.redirect')} />
    </div>
  )
}
