"""The names of the site's tags: which names mean one tag, which of them is in use, and which the site has given up.

The tables are facts of Stack Overflow, curated by hand: a model learns from questions of many years, and offers what
their askers typed. Names that askers use together are no synonyms, however close they sound (``angular`` and
``angularjs``, ``excel`` and ``excel-formula``), and neither is a version of a tag.
"""

from collections.abc import Iterable
from typing import Final

_SYNONYMS: Final = """
.net=dotnet,net .net-core=dotnet-core,net-core 32-bit=32bit 64-bit=64bit,x64 active-directory=activedirectory
adobe-indesign=indesign aem=cq5 airflow=airflow-operator,apache-airflow ajaxcontroltoolkit=ajaxtoolkit
algorithm=algorithms alpine-linux=alpine amazon-aurora=amazon-rds-aurora,aws-aurora amazon-cloudfront=cloudfront
amazon-cognito=aws-cognito,cognito amazon-dynamodb=dynamodb amazon-ebs=ebs amazon-ec2=ec2,aws-ec2
amazon-elastic-beanstalk=elastic-beanstalk amazon-redshift=redshift amazon-s3=s3,aws-s3 amazon-sqs=sqs,aws-sqs
amazon-web-services=aws,amazon-aws anchor=anchor-tag android-activity=activity android-espresso=espresso
android-fragments=android-fragment android-gradle-plugin=android-gradle
android-jetpack-compose=jetpack-compose,android-compose android-recyclerview=recyclerview,recycler-view
angular=angular2,angularjs-2,angular-2,ng2 angular-reactive-forms=reactive-forms angular-test=angular-testing
angularjs=angular.js,angular-js,angularjs-1.x apache=httpd,apache-httpd apache-flex=flex apache-flink=flink
apache-fop=fop apache-kafka=kafka apache-spark=spark apache-spark-sql=spark-sql,sparksql
app-store-connect=itunesconnect apple-push-notifications=apns,apple-push-notification arm-template=azure-rm-template
arrays=array artificial-intelligence=ai asp-classic=asp asp.net-core=aspnet-core,aspnetcore
asp.net-mvc=mvc.net,aspnet-mvc,asp-mvc,asp.net-mvc-framework asp.net-web-api=webapi,web-api,asp.net-webapi
aspnetboilerplate=asp.net-boilerplate assembly=asm,assembler async-await=await asynchronous=async augmented-reality=ar
aws-cloudformation=amazon-cloudformation aws-lambda=amazon-lambda azure=windows-azure,azure-web-platform
azure-active-directory=azure-ad,azuread azure-ai-search=azure-cognitive-search azure-api-management=api-management
azure-blob-storage=azure-storage-blobs azure-cosmosdb=cosmosdb
azure-devops=vsts,visual-studio-team-services,visual-studio-online,tfs-online azure-functions=azure-function
azure-language-understanding=luis azure-machine-learning-service=azureml azure-openai=azure-openai-service
azure-sql-database=sql-azure,azure-sql azure-synapse=azure-synapse-analytics azure-web-app-service=azure-web-sites
babeljs=babel backbone.js=backbone,backbonejs bash=bash-scripting,bash-shell batch-file=batch
bitwise-operators=bitwise blazor-server-side=blazor-server blazor-webassembly=blazor-client-side
bootstrap-4=twitter-bootstrap-4 bootstrap-5=twitter-bootstrap-5 botframework=microsoft-bot-framework c=c-language
c#=csharp,c-sharp c++=cpp,cplusplus c++-cli=managed-c++,cpp-cli c++11=c++0x c++14=c++1y c++17=c++1z c++20=c++2a
cassandra=apache-cassandra cesiumjs=cesium chart.js=chartjs chef-infra=chef
cloud-foundry=cloudfoundry,pivotal-cloud-foundry cocoa-touch=cocoatouch cocos2d-iphone=cocos2d code-behind=codebehind
codeigniter=code-igniter command-line=commandline command-line-interface=cli compiler-construction=compiler
concurrency=concurrent-programming confluent-platform=confluent conv-neural-network=cnn,convolutional-neural-network
core-data=coredata cross-browser=browser-compatibility css=cascading-style-sheets,css3 css-grid=css-grid-layout
css-selectors=css-selector cypress=cypress.io d3.js=d3,d3js dart=dart-lang data-annotations=dataannotations
database-design=db-design dataframe=data.frame dependency-injection=di design-patterns=design-pattern
dialogflow-es=dialogflow directory=directories discord.py=discord.py-rewrite django-queryset=django-queries
django-rest-framework=django-rest,drf django-templates=django-template-tags docker-in-docker=dind
doctrine-orm=doctrine2 docusignapi=docusign download=file-download dynamic=dynamically eclipse=eclipse-ide
ecmascript-2016=ecmascript-7 elasticsearch=elastic-search electron=electronjs,atom-shell elixir=elixir-lang
eloquent=laravel-eloquent ember.js=emberjs,ember entity-framework=ef entity-framework-4=ef4 entity-framework-6=ef6
entity-framework-core=ef-core,entity-framework-7,efcore entity-relationship=er-diagrams excel=ms-excel,microsoft-excel
exception=exceptions express=express.js,expressjs f#=fsharp,f-sharp facebook-fql=fql
facebook-graph-api=facebook-graph,fb-graph facebook-opengraph=opengraph factory-bot=factorygirl feed=feeds
field=fields file-upload=fileupload firebase-authentication=firebase-auth firebase-cloud-messaging=fcm
firebase-realtime-database=firebase-database firefox-addon-webextensions=firefox-webextensions flash=flash-player
flexbox=flex-box floating-point=float,floating-point-numbers flutter-getx=getx frameworks=framework function=functions
gatsby=gatsbyjs generics=generic go=golang,go-language google-ads-api=google-adwords google-analytics-4=ga4
google-app-engine=gae,appengine,app-engine google-app-maker=appmaker
google-apps-script=google-app-script,google-appscript google-bigquery=bigquery
google-calendar-api=google-calendar-api3,google-calendar google-chrome=chrome google-chrome-devtools=chrome-devtools
google-chrome-extension=chrome-extension,chrome-extensions google-cloud-datastore=gae-datastore,google-datastore
google-cloud-firestore=firestore,firebase-firestore google-cloud-functions=firebase-functions
google-cloud-platform=gcp,google-cloud google-cloud-storage=gcs,google-storage google-drive-api=google-drive-sdk
google-forms=google-form google-kubernetes-engine=google-container-engine,gke google-maps=google-map,gmaps
google-maps-api-3=google-maps-v3,google-maps-api-v3 google-oauth=google-oauth2 google-play=android-market
google-search-console=google-webmaster-tools google-sheets=google-spreadsheet,google-spreadsheets
google-signin=google-login,googlesigninapi google-visualization=google-charts gpt-4=gpt4 grails-orm=gorm
group-by=pandas-groupby gtk=gtk+ gulp=gulp.js,gulpjs guzzle=guzzlehttp hadoop=apache-hadoop handlebars.js=handlebars
hapi.js=hapijs hard-drive=harddrive,harddisk,hdd hash=hashing hive=apache-hive html=html5 html-table=htmltable
http-headers=http-header http-live-streaming=hls http-redirect=redirect http-status-code-404=404
ibm-watson=ibm-watson-cognitive iis=internet-information-services iis-6=iis6 iis-7=iis7 image=img
immutability=immutable indexing=index installation=install,installer intellij-idea=intellij internet-explorer=ie
internet-explorer-6=ie6 internet-explorer-7=ie7-bug,ie7 internet-explorer-8=ie8 internet-explorer-9=ie9
ios=iphone-sdk,iphone-os,apple-ios,ios-sdk ios4=iphone-sdk-4.0,ios4.3 ios7=ios-7 ipython-notebook=ipynb
jakarta-ee=java-ee,j2ee,javaee jakarta-mail=javamail java=java-se,j2se java-11=java11 java-21=java21 java-6=jdk1.6
java-8=java8,java-1.8 java-native-interface=jni java-stream=java-streams javafx=java-fx javascript=js,ecmascript
jestjs=jest jpa=java-persistence-api jpeg=jpg jquery-selectors=jquery-selector jquery-ui=jqueryui jsf-2=jsf-2.0
julia=julia-lang jwt=json-web-token keyword=keywords knockout.js=knockout,knockoutjs
kotlin-coroutines=kotlin-coroutine kubernetes=k8s kubernetes-helm=helm label=labels lambda=lambdas,lambda-expression
langchain=lang-chain laravel=laravel-framework laravel-backpack=backpack-for-laravel laravel-blade=blade
large-language-model=llm,llms,large-language-models less=lesscss linker-errors=linker-error
linq-to-entities=linq2entities linq-to-sql=linq2sql linux-kernel=kernel-programming linux-mint=linuxmint list=lists
looker-studio=google-data-studio loops=loop,looping lottie=lottie-android machine-learning=ml
macos=osx,mac-osx,macosx,mac,os-x mail-server=mailserver makefile=make material-ui=mui matlab=matlab-toolbox
maui=.net-maui media-player=mediaplayer media-queries=css-media-queries memory-leaks=memory-leak,leak
memory-management=memory-allocation meteor=meteorjs microservices=microservice
microsoft-entra-id=entra-id,microsoft-entra microsoft-graph-api=microsoft-graph microsoft-teams=ms-teams
mocha.js=mocha,mochajs modal-dialog=modal model-context-protocol=mcp model-view-controller=mvc
momentjs=moment.js,moment mongodb=mongo mongoose=mongoosejs ms-access=access,microsoft-access,msaccess
ms-office=office ms-word=microsoft-word multidimensional-array=multidimensional-arrays
multithreading=threads,thread,threading,multi-threading mvvm=model-view-viewmodel mysql=mysql-query
named-entity-recognition=ner nestjs=nest.js neural-network=neural-networks next.js=nextjs nextjs14=next.js14
nlp=natural-language-processing nlp-question-answering=question-answering node.js=node,nodejs,node-js
npm=node-package-manager nsfetchedresultscontroller=nsfetchedresultscontrolle nuxt.js=nuxt,nuxtjs
oauth-2.0=oauth2,oauth2.0,oauth-2 objective-c=objectivec,obj-c,objective-c-language okhttp=okhttp3
oop=object-oriented,object-oriented-programming openai-api=open-ai opencv=opencv4,opencv-contour,opencv3
opengl-es=opengles opengl-es-2.0=opengles2.0 option-type=optional oracle-database=oracle,oracle-db
oracle-sqldeveloper=sql-developer orm=object-relational-mapping outlook=ms-outlook,microsoft-outlook
overriding=override package=packages pandas=python-pandas,pandas-python parameters=params parse-platform=parse.com
parsing=parse passenger=phusion-passenger pdf.js=pdfjs performance=speed php=php5 pine-script-v5=pinescript-v5
pipe=pipes playframework=play-framework plot=plots,plotting plsql=pl-sql pointer-to-member=member-function-pointers
pointers=pointer postgresql=postgres,pgsql powerapps=power-apps powerbi=power-bi powershell=windows-powershell
powershell-2.0=powershell-v2.0 powershell-3.0=powershell-v3.0 powershell-4.0=powershell-v4.0
powershell-5.0=powershell-v5.0 powershell-cmdlet=cmdlet,cmdlets presto=prestodb primary-key=primary-keys
process=processes product=products pthreads=posix-threads pytest=py.test python=py,python-language python-2.x=python2
python-3.x=python3,python-3 python-re=re python-zipfile=zipfile r=rstats,r-language rag=retrieval-augmented-generation
raku=perl6 rate-limiting=ratelimit react-context=context-api react-native=reactnative,react-native-android
reactjs=react,react.js recommendation-engine=recommender-systems recursion=recursive
regex=regexp,regular-expression,regular-expressions,regexes replace=search-and-replace requirejs=require.js
rest=restful,rest-api,restful-api,restapi retina-display=retinadisplay routes=route
ruby-on-rails=rails,ror,rubyonrails ruby-on-rails-3=rails3,rails-3 ruby-on-rails-4=rails4,rails-4 rust=rust-lang
rxjs=rx-js sap-ase=sybase-ase sap-commerce-cloud=hybris sass=scss scikit-learn=sklearn,scikits.learn scroll=scrolling
segmentation-fault=sigsegv selector=selectors selenium-webdriver=selenium,selenium-2,selenium2 sensors=sensor
serial-port=serial server-side-rendering=serverside-rendering shadcnui=shadcn shapes=shape
sharepoint-2007=sharepoint2007 sharepoint-2010=sharepoint2010 shell=shell-script,sh-shell,shell-scripting
shortcut=shortcuts single-page-application=spa single-sign-on=sso socket.io=socketio,socket-io sockets=socket
solid-state-drive=ssd sorting=sort spell-checking=spellchecking spring=spring-framework spring-boot=springboot
sql-order-by=order-by sql-server=mssql,ms-sql-server,microsoft-sql-server,sqlserver,ms-sql
sql-server-2008=sqlserver-2008 sql-server-data-tools=ssdt sqlite=sqlite3 ssl=tls stable-diffusion=stablediffusion
stack-overflow=stackoverflow statements=statement stored-procedures=stored-procedure,storedprocedure string=strings
stripe-payments=stripe-elements structure=structures subdomain=subdomains svelte=sveltejs svn=subversion
swiftdata=swift-data swiftui=swift-ui swiper.js=swiper,swiperjs symbols=symbol symfony=symfony2,symfony-2.x
symfony-3.4=symfony3.4 system-calls=syscall t-sql=tsql tableau-api=tableau tailwind-css=tailwind,tailwindcss
tanstackreact-query=tanstack-query tcp=tcp-ip temp-tables=temporary-tables tensorflow2.0=tensorflow2 textures=texture
textview=android-textview tfs-2008=tfs2008 tfs-2010=tfs2010 tfs-2012=tfs2012 tfs-2015=tfs2015 three.js=threejs
thumbnails=thumbnail time-complexity=complexity tomcat=apache-tomcat truetype=true-type-fonts twitter=twitter-api
twitter-bootstrap=bootstrap twitter-bootstrap-3=bootstrap-3 typescript=ts
uitableview=uitableviewcell,uitableviewcontroller underscore.js=underscore,underscorejs uninstallation=uninstall
unit-testing=unit-test,unit-tests unity-game-engine=unity3d,unity,unity5 updates=update
user-controls=usercontrols,wpf-usercontrols user-interface=ui,gui utf-8=utf8 uwp=windows-universal-app
validation=form-validation,input-validation vb.net=vbnet,visual-basic.net,visual-basic-.net
vba=visual-basic-for-applications,excel-vba,access-vba,outlook-vba,word-vba vim=vimrc,vimscript virtual-machine=vm
visitor-pattern=visitor visual-c++=vc++,msvc visual-c++-6=vc6 visual-studio-2008=vs2008 visual-studio-2010=vs2010
visual-studio-2012=visual-studio-11,vs2012 visual-studio-2017=vs2017 visual-studio-2019=vs2019
visual-studio-2022=vs2022 visual-studio-code=vscode,vs-code visualization=data-visualization vonage=nexmo
vue.js=vue,vuejs vuejs2=vue2,vue.js-2 vuejs3=vue3,vue.js-3 web-crawler=crawler web-parts=webparts
web-scraping=webscraping web-services=webservice,web-service,webservices webbrowser-control=webbrowser
webforms=asp.net-webforms webserver=web-server websocket=websockets,web-sockets while-loop=while-loops widget=widgets
windows-10=windows10 windows-11=windows11 windows-7=windows7 windows-8=windows8 windows-installer=msi
windows-phone-7.1=windows-phone-7.5 windows-subsystem-for-linux=wsl winforms=windows-forms,winform
wolfram-mathematica=mathematica wordpress=wordpress-plugin,wordpress-plugin-dev wso2=wso2carbon
wso2-api-manager=wso2-am wso2-enterprise-integrator=wso2ei wso2-esb=wso2esb wso2-identity-server=wso2is x86-64=amd64
xamarin.forms=xamarin-forms xamarin.ios=monotouch xml-documentation=xmldoc xmlhttprequest=xhr xsd=xml-schema xslt=xsl
yaml=yml youtube-data-api=youtube-api-v3
"""
"""``name-in-use=other,names``: names that were renamed, merged, misspelled, or are only how people say it."""

_RETIRED: Final = """
2008 advertisement advertising alternative android-accessibility animate api app apple application apps arc artisan
atlassian atomicity automatic bits blocks body book books borland bugs business carbon career-development category
certification challenge change check child circle client-scripting close code-examples code-review college columns
comma commenting commercial community concepts condition const content context control convert copyright cost create
css2 custom cybersecurity dash data dbms define delete description design dev development discussion div div-layouts
domain downloadfile drone ebay ebook edge education electronics email-integration empty emulator engine
enterprise-development error-message exam example exchange experience expo-cli extension facebook-connect fan features
fit folder fps freeware fun gas gcd globals godaddy google grakn grant grape groups hack hacking hang hello-world
homework horizontal howto hp html-form hyphen injection internet interview-questions issues java-api jdk jetbrains
jigsaw kde language laptop large law legal length level like linear linked links loc login logo macbook main
maintenance man management market master material maximum maybe metro microsoft mindstorms mint mix mobile-web money
moving ms multilanguage multiple music mysql-error-1068 n-tier name news online online-resources open
optashift-employee-rostering option options order order-of-evaluation otp outsourcing page patterns pc phone picture
pictures player plus pod polls pop practice presentations priority problem-solving productivity
professional-development program programmer-skills programming programming-paradigms project-euler qa query read
reading recognition recommendation recycler-adapter relative remote remove research result sales section segmentation
self-improvement self-teaching sending seo-friendly setup shopping snowflake-stream social software-engineering
software-tools source source-code span spatie stop studio suggestion suggestions support swf table teaching team
teamwork technologies technology tips-and-tricks toc tools totals tracing transformer tricks tutorials unit usage user
username value values vb visual wall web-development web-security website weight white wordpress-loop workbook wrap
write writing yarn zoom
"""
"""Names that were removed from the site without a successor, or that never named a tag there."""

_OTHER_NAMES: Final = {
    name: tuple(others.split(",")) for name, others in (entry.split("=") for entry in _SYNONYMS.split())
}
_NAME_IN_USE: Final = {other: name for name, others in _OTHER_NAMES.items() for other in others}
RETIRED: Final = frozenset(_RETIRED.split())


def name_in_use(tag: str) -> str:
    """Return the name in use for a tag, in lower case; a tag that no table knows is its own."""
    tag = tag.lower()
    return _NAME_IN_USE.get(tag, tag)


def main_names(tags: Iterable[str]) -> frozenset[str]:
    """Return the name in use, in lower case, for each of the tags."""
    return frozenset(map(name_in_use, tags))


def same_tags(tags: Iterable[str]) -> frozenset[str]:
    """Return the tags, in lower case, with all names that mean the same as one of them."""
    masters = main_names(tags)
    return masters.union(*map(other_names, masters))


def other_names(tag: str) -> tuple[str, ...]:
    """Return the other names of a tag that is no such name itself."""
    return _OTHER_NAMES.get(tag, ())


def renamed_tags() -> frozenset[str]:
    """Return the names in use that have other names."""
    return frozenset(_OTHER_NAMES)
