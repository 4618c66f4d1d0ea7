/** What an administrator says to everybody, and decides for everybody. */
import type { ResponseOf } from '#api/contract.ts'
import type { readSystemSettings } from '#api/routes/system.ts'
import { Switch, Textarea } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { change, query } from '../../api/client.ts'
import { readSystem, readSystemSettings as settingsRoute, updateSystemSettings } from '../../api/routes.ts'
import { OneOf } from '../../parts/fields.tsx'
import { Form, useDraft } from '../../parts/form.tsx'
import { Panel } from '../../parts/layout.tsx'
import { Loaded } from '../../parts/loaded.tsx'
import { tell } from '../../parts/problem.tsx'

export function SystemSettings() {
  const { t } = useTranslation()
  const settings = useQuery(query(settingsRoute))
  return (
    <Panel title={t('settings.title')}>
      <Loaded of={settings} rows={3}>
        {(data) => <SettingsForm key={data.version} settings={data} />}
      </Loaded>
    </Panel>
  )
}

const levels = ['info', 'warning', 'danger'] as const

function SettingsForm({ settings }: { readonly settings: ResponseOf<typeof readSystemSettings> }) {
  const { t } = useTranslation()
  const { draft, text, flag, put } = useDraft({
    banner: settings.banner?.text ?? '',
    level: settings.banner?.level ?? ('info' as const),
    isReadOnly: settings.isReadOnly,
    everyone: settings.projectCreation === 'everyone',
  })
  const save = async () => {
    const { isReadOnly, level, everyone } = draft
    const said = draft.banner.trim()
    const banner = said === '' ? null : { text: said, level }
    // While it is read-only the server takes nothing but the end of that.
    const rest =
      settings.isReadOnly && !isReadOnly ? {} : { banner, projectCreation: everyone ? ('everyone' as const) : ('administrators' as const) }
    await change(updateSystemSettings, { body: { isReadOnly, ...rest }, ifMatch: settings.version }, [settingsRoute, readSystem])
    tell(t('common.saved'))
  }
  return (
    <Form save={save}>
      <Textarea
        label={t('settings.banner')}
        description={t('settings.bannerHint')}
        {...text('banner')}
        autosize
        minRows={2}
        maxLength={1000}
      />
      <OneOf
        label={t('settings.level')}
        values={levels}
        say={(level) => t(`settings.levels.${level}`)}
        value={draft.level}
        onChange={(level) => put({ level })}
      />
      <Switch label={t('settings.projects')} {...flag('everyone')} />
      <Switch label={t('settings.readOnly')} description={t('settings.readOnlyHint')} {...flag('isReadOnly')} />
    </Form>
  )
}
